-- app/store/lua/unfile.lua: keep, once, a webhook that belongs to no conversation.
--
-- KEYS[1]  unfiled (stream of the partition)
-- KEYS[2]  digests of the bodies that are known again, in the order of their receipt (sorted set)
-- KEYS[3]... counters and statistics that change
-- ARGV     1-2 see common.lua; 3 digest of the body; 4 record; 5 why it is kept here; 6 how many are kept, at most; 7 received
--          (ms); 8 how it is counted, see `counting` in app/store/record_command.py; 9 how many are known again, at most; 10 how many
--          bytes are kept, about
-- Returns  1 kept, 0 a repeat

local how, minute = string.sub(ARGV[8], 1, 1), math.floor(tonumber(ARGV[7]) / 60000)
local name, webhook = P .. 'u:' .. ARGV[3], ARGV[3] .. ARGV[7] .. '.' .. string.sub(ARGV[8], 2)
local kept = call('SET', name, webhook, 'PX', TTL, 'NX') and 1 or 0
local count = to_count(how, kept, webhook, kept == 0 and call('GET', name) == webhook)
if count then call('HINCRBY', COUNTS, 'received', 1) end
if kept == 0 then
  if count then
    call('HINCRBY', COUNTS, 'repeats', 1)
    count_minute(minute, 'repeats', 1)
  end
  return 0
end
add_bounded(KEYS[1], ARGV[6], ARGV[10], #ARGV[4] + #ARGV[5], {'record', ARGV[4], 'why', ARGV[5]})
local number = call('HINCRBY', COUNTS, 'unfiled', 1)
call('ZADD', KEYS[2], number, ARGV[3])
call('PEXPIRE', KEYS[2], TTL)
for _, old in ipairs(call('ZRANGE', KEYS[2], 0, -1 - ARGV[9])) do
  call('DEL', P .. 'u:' .. old)
  call('ZREM', KEYS[2], old)
end
count_minute(minute, 'unfiled', 1)
return 1
