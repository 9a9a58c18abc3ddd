-- app/store/lua/rate.lua: a place in the queue of requests to Vonage, of which there may be so many a second.
--
-- KEYS[1]  when the latest requests were sent, or will be (list, latest first; ms by Redis's clock)
-- ARGV     1-2 see common.lua; 3 how many a second; 4 how long the request waits at most (ms), -1: it was sent already
-- Returns  how long it has to wait (ms); -1 if that is longer: then it has no place

local most, patience = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = now
if patience >= 0 then
  local before = call('LINDEX', KEYS[1], most - 1)
  if before then at = math.max(now, before + 1100) end -- a little more: requests do not take equally long to get there
  if at - now > patience then return -1 end
end
call('LPUSH', KEYS[1], string.format('%.0f', at))
call('LTRIM', KEYS[1], 0, most - 1)
call('PEXPIRE', KEYS[1], at - now + 5000)
return at - now
