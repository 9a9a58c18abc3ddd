-- app/store/lua/occupy.lua: let an operation have a leg, if no other one has it.
--
-- KEYS[1]  control of the leg (hash): o the operation that has it, empty if none, b since when (ms); see number.lua for
--          the others
-- ARGV     1-2 see common.lua; 3 operation, empty: none is to have it; 4 one that is known to have ended, empty if none
-- Returns  the operation that has it instead; empty if it has it now

local has = call('HGET', KEYS[1], 'o')
if has and has ~= '' and has ~= ARGV[3] and has ~= ARGV[4] then return has end
local now = call('TIME')
call('HSET', KEYS[1], 'o', ARGV[3], 'b', string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000)))
call('PEXPIRE', KEYS[1], TTL)
return ''
