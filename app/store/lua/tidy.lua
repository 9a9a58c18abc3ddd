-- app/store/lua/tidy.lua: take conversations whose events have expired out of the indexes of one partition.
--
-- KEYS[1]  live or ended: conversations by first receipt (sorted set)
-- ARGV     1-2 see common.lua; 3 latest first receipt (ms) that can have expired; 4 how many of the oldest to pass over
--          (they were checked and are still kept); 5 how many to check, at most
-- Returns  {how many were forgotten, how many were checked}
-- Feed     none: see app/store/feed.py

local oldest = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
local forgotten = 0
for _, conversation in ipairs(oldest) do
  if call('EXISTS', P .. 'e:' .. conversation) == 0 then
    purge(conversation)
    forgotten = forgotten + 1
  end
end
return {forgotten, #oldest}
