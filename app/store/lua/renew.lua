-- app/store/lua/renew.lua: go on with an operation that was claimed (claim.lua) for longer.
--
-- KEYS[1]  due operations of the partition (sorted set)      KEYS[2]  who goes on with it (string)
-- ARGV     1-2 see common.lua; 3 operation; 4 who claimed it; 5 what claim.lua, or this, returned; 6 for how many ms
-- Returns  when somebody else may go on with it (ms); 0 if somebody else already does

local operation, lease = ARGV[3], tonumber(ARGV[6])
if call('GET', KEYS[2]) ~= ARGV[4] then return 0 end
call('PEXPIRE', KEYS[2], lease)
local score = tonumber(call('ZSCORE', KEYS[1], operation) or 0)
if score ~= tonumber(ARGV[5]) then return tonumber(ARGV[5]) end -- something has happened since: release.lua says so
local now = call('TIME')
local till = now[1] * 1000 + math.floor(now[2] / 1000) + lease
call('ZADD', KEYS[1], till, operation)
return till
