-- app/store/lua/due.lua: the operations of a partition that somebody has to look at now.
--
-- KEYS[1]  due operations of the partition (sorted set)
-- ARGV     1-2 see common.lua; 3 how many at most
-- Returns  their names

local now = call('TIME')
return call('ZRANGEBYSCORE', KEYS[1], '-inf', now[1] * 1000 + math.floor(now[2] / 1000), 'LIMIT', 0, ARGV[3])
