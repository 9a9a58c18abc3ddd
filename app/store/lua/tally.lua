-- app/store/lua/tally.lua: add to counters of what is not kept: refusals, and how long webhooks waited for the store.
--
-- KEYS     counters and statistics that change
-- ARGV     1-2 see common.lua; 3 minute; 4... for each: name of the counter since the store was created, empty if none;
--          code of the statistics, empty if none; how much to add
-- Returns  1

for i = 4, #ARGV, 3 do
  local name, code, by = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if name ~= '' then call('HINCRBY', COUNTS, name, by) end
  if code ~= '' then count_minute(tonumber(ARGV[3]), code, by) end
end
return 1
