-- app/store/lua/probe.lua: find out whether an event could be kept: whether a script may run, and write.
--
-- KEYS[1]  probe of the partition (string)
-- ARGV     1-2 see common.lua

return call('SET', KEYS[1], '', 'PX', 10000)
