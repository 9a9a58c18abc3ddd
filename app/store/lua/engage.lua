-- app/store/lua/engage.lua: let a call have one of the places of a user, if one is free.
--
-- KEYS[1]  calls that have a place (sorted set: first leg -> until when, ms by Redis's clock)
-- KEYS[2]  settings of the user (hash)
-- ARGV     1-2 see common.lua; 3 first leg of the call; 4 places unless the settings say otherwise; 5 for how many ms;
--          6 1 if the user makes the call: then it does not matter that nobody is to disturb them; 7... calls that are
--          known to have ended
-- Returns  0 the call has a place, 1 none is free, 2 the user is not to be disturbed

if ARGV[6] == '0' and call('HGET', KEYS[2], 'do_not_disturb') == 'true' then return 2 end
local now = call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 7, #ARGV do call('ZREM', KEYS[1], ARGV[i]) end
local most = tonumber(call('HGET', KEYS[2], 'max_calls') or ARGV[4])
if not call('ZSCORE', KEYS[1], ARGV[3]) then
  if call('ZCARD', KEYS[1]) >= most then return 1 end
  call('ZADD', KEYS[1], now + tonumber(ARGV[5]), ARGV[3])
end
call('PEXPIRE', KEYS[1], TTL)
return 0
