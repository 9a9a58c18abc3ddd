-- app/store/lua/watch.lua: let an operation wait for news of a conversation.
--
-- KEYS[1]  meta of the conversation (hash)
-- ARGV     1-2 see common.lua; 3 operation
-- Returns  1 if it does now; 0 if there is no such conversation

if call('EXISTS', KEYS[1]) == 0 then return 0 end
local operations = call('HGET', KEYS[1], 'p')
if not operations then
  call('HSET', KEYS[1], 'p', ARGV[3])
elseif not string.find(' ' .. operations .. ' ', ' ' .. ARGV[3] .. ' ', 1, true) then
  call('HSET', KEYS[1], 'p', operations .. ' ' .. ARGV[3])
end
return 1
