-- app/store/lua/unfile.lua: keep, once, a webhook that belongs to no conversation.
--
-- KEYS[1]  unfiled (stream of the partition)
-- KEYS[2]... counters and statistics that change
-- ARGV     1-2 see common.lua; 3 digest of the body; 4 record; 5 why it is kept here; 6 length at which the oldest go; 7 received
--          (ms); 8 how it is counted, see `counting` in app/store/record_command.py
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
call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], '*', 'record', ARGV[4], 'why', ARGV[5])
call('HINCRBY', COUNTS, 'unfiled', 1)
count_minute(minute, 'unfiled', 1)
return 1
