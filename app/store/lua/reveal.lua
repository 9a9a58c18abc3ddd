-- app/store/lua/reveal.lua: note who was shown which calls, each call once in a while.
--
-- KEYS[1]  audit (stream of the partition)
-- KEYS[2]  revealed (sorted set): person and call -> when that was noted (ms)
-- ARGV     1-2 see common.lua; 3 now (ms); 4 after how long a call is noted again (ms); 5 how many entries are kept, at
--          most; 6 how many bytes, about; 7 how many calls are remembered; 8 the entry as JSON, without its calls; 9 who;
--          10… the calls
-- Returns  how many of the calls the entry names; 0: all were noted before, and there is none

local now, again = tonumber(ARGV[3]), tonumber(ARGV[4])
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - again)
local entry, size = {'entry', ARGV[8]}, #ARGV[8]
for index = 10, #ARGV do
  if call('ZADD', KEYS[2], 'NX', now, ARGV[9] .. ' ' .. ARGV[index]) == 1 then
    entry[#entry + 1] = 'call'
    entry[#entry + 1] = ARGV[index]
    size = size + #ARGV[index]
  end
end
local named = (#entry - 2) / 2
if named == 0 then return 0 end
call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[7])
call('PEXPIRE', KEYS[2], again)
add_bounded(KEYS[1], ARGV[5], ARGV[6], size, entry)
return named
