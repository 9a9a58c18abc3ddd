-- app/store/lua/unfile.lua: keep, once, a webhook that belongs to no conversation.
--
-- KEYS[1]  unfiled (stream of the partition)
-- ARGV     1-4 see common.lua; 5 digest of the body; 6 record; 7 why it is kept here; 8 length at which the oldest go
-- Returns  1 kept, 0 a repeat

call('HINCRBY', COUNTS, 'received', 1)
if not call('SET', P .. 'u:' .. ARGV[5], '', 'PX', TTL, 'NX') then
  call('HINCRBY', COUNTS, 'repeats', 1)
  return 0
end
call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[8], '*', 'record', ARGV[6], 'why', ARGV[7])
call('HINCRBY', COUNTS, 'unfiled', 1)
return 1
