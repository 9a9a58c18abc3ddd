-- app/store/lua/tidy.lua: take conversations whose events have expired out of the indexes of one partition.
--
-- KEYS[1]  live or ended: conversations by first receipt (sorted set)
-- ARGV     1-4 see common.lua; 5 latest first receipt (ms) that can have expired; 6 how many of the oldest to pass over
--          (they were checked and are still kept); 7 how many to check, at most
-- Returns  {how many were forgotten, how many were checked}
-- Feed     none: see app/store/feed.py

local oldest = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[5], 'LIMIT', ARGV[6], ARGV[7])
local forgotten = 0
for _, conversation in ipairs(oldest) do
  if call('EXISTS', P .. 'e:' .. conversation) == 0 then
    purge(conversation)
    forgotten = forgotten + 1
  end
end
return {forgotten, #oldest}
