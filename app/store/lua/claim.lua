-- app/store/lua/claim.lua: go on with an operation, if nobody else does.
--
-- KEYS[1]  due operations of the partition (sorted set)      KEYS[2]  who goes on with it (string)
-- ARGV     1-2 see common.lua; 3 operation; 4 who claims it; 5 for how many ms
-- Returns  when somebody else may go on with it (ms); 0 if it has ended, or somebody goes on with it. Who does looks
--          once more before it is let go: something has happened meanwhile.

local operation, lease = ARGV[3], tonumber(ARGV[5])
local now = call('TIME')
local till = now[1] * 1000 + math.floor(now[2] / 1000) + lease
if not call('ZSCORE', KEYS[1], operation) then return 0 end
if not call('SET', KEYS[2], ARGV[4], 'NX', 'PX', lease) then
  call('ZADD', KEYS[1], 0, operation)
  return 0
end
call('ZADD', KEYS[1], till, operation)
return till
