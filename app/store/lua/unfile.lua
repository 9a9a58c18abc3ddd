-- app/store/lua/unfile.lua: keep, once, a webhook that belongs to no conversation.
--
-- KEYS[1]  unfiled (stream of the partition)
-- KEYS[2]  digests of their bodies, in the order of their receipt (sorted set)
-- KEYS[3]... counters and statistics that change
-- ARGV     1-2 see common.lua; 3 digest of the body; 4 record; 5 why it is kept here; 6 length at which the oldest go;
--          7 minute in which it was received; 8 how many digests are kept: a repeat of an earlier one is kept again
-- Returns  1 kept, 0 a repeat

local number = call('HINCRBY', COUNTS, 'received', 1)
local new = call('ZADD', KEYS[2], 'NX', number, ARGV[3]) == 1
call('PEXPIRE', KEYS[2], TTL)
if not new then
  call('HINCRBY', COUNTS, 'repeats', 1)
  count_minute(tonumber(ARGV[7]), 'repeats', 1)
  return 0
end
call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[8])
call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], '*', 'record', ARGV[4], 'why', ARGV[5])
call('HINCRBY', COUNTS, 'unfiled', 1)
count_minute(tonumber(ARGV[7]), 'unfiled', 1)
return 1
