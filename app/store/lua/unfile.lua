-- app/store/lua/unfile.lua: keep, once, a webhook that belongs to no conversation.
--
-- KEYS[1]  unfiled (stream of the partition)
-- KEYS[2]... counters and statistics that change
-- ARGV     1-2 see common.lua; 3 digest of the body; 4 record; 5 why it is kept here; 6 length at which the oldest go; 7 minute in
--          which it was received
-- Returns  1 kept, 0 a repeat

call('HINCRBY', COUNTS, 'received', 1)
if not call('SET', P .. 'u:' .. ARGV[3], '', 'PX', TTL, 'NX') then
  call('HINCRBY', COUNTS, 'repeats', 1)
  count_minute(tonumber(ARGV[7]), 'repeats', 1)
  return 0
end
call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], '*', 'record', ARGV[4], 'why', ARGV[5])
call('HINCRBY', COUNTS, 'unfiled', 1)
count_minute(tonumber(ARGV[7]), 'unfiled', 1)
return 1
