-- app/store/lua/signal.lua: keep signals of pages for a moment, until the workers that pass them on have read them.
--
-- KEYS[1]  signals (stream): s a signal, as JSON
-- ARGV     1-2 see common.lua; 3 how many are kept; 4 for how long (ms); then the signals
-- Returns  nothing

local key, most, lifetime = KEYS[1], ARGV[3], tonumber(ARGV[4])
local id
for index = 5, #ARGV do
  id = call('XADD', key, 'MAXLEN', most, '*', 's', ARGV[index])
end
local now = tonumber(string.match(id, '^%d+'))
for _, old in ipairs(call('XRANGE', key, '-', now - lifetime, 'COUNT', 2 * (#ARGV - 4))) do
  call('XDEL', key, old[1])
end
call('PEXPIRE', key, lifetime)
