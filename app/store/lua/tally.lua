-- app/store/lua/tally.lua: add to counters of what is not kept: refusals, and how long webhooks waited for the store.
--
-- KEYS[1]  numbers of the latest batches of the process that counted (list)
-- KEYS[2]... counters and statistics that change
-- ARGV     1-2 see common.lua; 3 number of the batch; 4 how many numbers are known again; 5 for how long (ms);
--          6... for each: minute; name of the counter since the store was created, empty if none; code of the
--          statistics, empty if none; how much to add
-- Returns  1, 0 if this batch was counted before

if call('LPOS', KEYS[1], ARGV[3]) then return 0 end
call('LPUSH', KEYS[1], ARGV[3])
call('LTRIM', KEYS[1], 0, ARGV[4] - 1)
call('PEXPIRE', KEYS[1], ARGV[5])
for i = 6, #ARGV, 4 do
  local minute, name, code, by = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  if name ~= '' then call('HINCRBY', COUNTS, name, by) end
  if code ~= '' then count_minute(minute, code, by) end
end
return 1
