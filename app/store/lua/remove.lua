-- app/store/lua/remove.lua: delete all that is kept of conversations of one partition.
--
-- KEYS[1]  counters of the partition (its tag gives the slot)
-- ARGV     1-4 see common.lua; 5... conversations
-- Returns  how many there were to delete

local removed = 0
for i = 5, #ARGV do
  local conversation = ARGV[i]
  if redis.call('EXISTS', P .. 'e:' .. conversation, P .. 'm:' .. conversation) > 0 then
    purge(conversation)
    tell_listeners(conversation)
    removed = removed + 1
  end
end
return removed
