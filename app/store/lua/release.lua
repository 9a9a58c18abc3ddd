-- app/store/lua/release.lua: let go an operation that was claimed (claim.lua).
--
-- KEYS[1]  due operations of the partition (sorted set)      KEYS[2]  who goes on with it (string)
-- KEYS[3]  log of the operation (list)      KEYS[4]  operations of the partition that have ended, the latest (stream)
-- ARGV     1-2 see common.lua; 3 operation; 4 who claimed it; 5 what claim.lua returned; 6 in how many ms somebody has
--          to look at it again, -1: it has ended; 7 how many logs are kept of those that have, at most; 8 how many bytes
-- Returns  1 if something has happened since it was claimed: somebody has to look at once

local operation, delay = ARGV[3], tonumber(ARGV[6])
if call('GET', KEYS[2]) == ARGV[4] then call('DEL', KEYS[2]) end
local score = call('ZSCORE', KEYS[1], operation)
if not score then return 0 end
if tonumber(score) ~= tonumber(ARGV[5]) then return 1 end
if delay < 0 then
  call('ZREM', KEYS[1], operation)
  local bytes = 0
  for _, entry in ipairs(call('LRANGE', KEYS[3], 0, -1)) do bytes = bytes + #entry end
  add_bounded(KEYS[4], ARGV[7], ARGV[8], bytes, {'o', operation}, function(oldest)
    if not call('ZSCORE', KEYS[1], oldest[2]) then call('DEL', P .. 'o:' .. oldest[2]) end -- it may have begun again
  end)
  call('PEXPIRE', KEYS[4], TTL)
  return 0
end
local now = call('TIME')
call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000) + delay, operation)
return 0
