-- app/store/lua/release.lua: let go an operation that was claimed (claim.lua).
--
-- KEYS[1]  due operations of the partition (sorted set)      KEYS[2]  who goes on with it (string)
-- ARGV     1-2 see common.lua; 3 operation; 4 who claimed it; 5 what claim.lua returned; 6 in how many ms somebody has
--          to look at it again, -1: it has ended
-- Returns  1 if something has happened since it was claimed: somebody has to look at once

local operation, delay = ARGV[3], tonumber(ARGV[6])
if call('GET', KEYS[2]) == ARGV[4] then call('DEL', KEYS[2]) end
local score = call('ZSCORE', KEYS[1], operation)
if not score then return 0 end
if tonumber(score) ~= tonumber(ARGV[5]) then return 1 end
if delay < 0 then
  call('ZREM', KEYS[1], operation)
  return 0
end
local now = call('TIME')
call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000) + delay, operation)
return 0
