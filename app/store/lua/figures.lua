-- app/store/lua/figures.lua: count the call that has its home in a conversation, in place of what was counted of it before.
--
-- KEYS[1]  events of the conversation (list)
-- KEYS[2]  meta of the conversation (hash)
-- KEYS[3]... the figures that may change, so that a cluster runs all of this or nothing while the slot moves
-- ARGV     1-2 see common.lua; 3 conversation; 4 summary of the call, empty if none has its home there; 5... for each
--          entry of the touched conversations that led to this: the entry, how often it had been touched
-- Returns  1 counted anew, 0 it is counted like that already, or the conversation is gone

local conversation, summary, changed = ARGV[3], ARGV[4], 0

if call('EXISTS', KEYS[1]) == 1 then -- what has expired stays counted; what was deleted is not counted any more
  local counted, first = unpack(call('HMGET', KEYS[2], 's', 't'))
  counted = counted and from_first(counted, first, 1) or ''
  if counted ~= summary then
    if counted ~= '' then count_call(counted, -1) end
    if summary ~= '' then
      call('HSET', KEYS[2], 's', from_first(count_call(summary, 1), first, -1))
    else
      call('HDEL', KEYS[2], 's')
    end
    changed = 1
  end
end

for i = 5, #ARGV, 2 do -- unless more was learnt meanwhile
  if tonumber(call('ZSCORE', TOUCHED, ARGV[i]) or 0) == tonumber(ARGV[i + 1]) then call('ZREM', TOUCHED, ARGV[i]) end
end
return changed
