-- app/store/lua/reveal.lua: note who was shown which calls, each call once in a while.
--
-- KEYS[1]  audit (stream of the partition)
-- KEYS[2]  revealed (sorted set): person and call -> when that was noted (ms)
-- ARGV     1-2 see common.lua; 3 now (ms); 4 after how long a call is noted again (ms); 5 length at which the oldest
--          entries go; 6 the entry as JSON, without its calls; 7 who; 8… the calls
-- Returns  how many of the calls the entry names; 0: all were noted before, and there is none

local now, again = tonumber(ARGV[3]), tonumber(ARGV[4])
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - again)
local entry = {'entry', ARGV[6]}
for index = 8, #ARGV do
  if call('ZADD', KEYS[2], 'NX', now, ARGV[7] .. ' ' .. ARGV[index]) == 1 then
    entry[#entry + 1] = 'call'
    entry[#entry + 1] = ARGV[index]
  end
end
if #entry == 2 then return 0 end
call('PEXPIRE', KEYS[2], again)
call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', unpack(entry))
return (#entry - 2) / 2
