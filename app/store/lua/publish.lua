-- app/store/lua/publish.lua: append events of sessions of a user, unless somebody else has published some meanwhile.
--
-- KEYS[1]  events of the user (stream): e an event, as JSON
-- KEYS[2]  how often something was published to the user
-- KEYS[3…] marks of sessions (strings): what was sent of each
-- ARGV     1-2 see common.lua; 3 how many events are kept; 4 how often something was published when the look began that
--          this comes from; 5 the number of marks; then the marks, and the events, in their order
-- Returns  1; 0 if something was published meanwhile, and nothing was changed

local most, marks = ARGV[3], tonumber(ARGV[5])
if tonumber(call('GET', KEYS[2]) or 0) ~= tonumber(ARGV[4]) then return 0 end
for index = 6 + marks, #ARGV do
  call('XADD', KEYS[1], 'MAXLEN', most, '*', 'e', ARGV[index])
end
for index = 1, marks do
  call('SET', KEYS[2 + index], ARGV[5 + index], 'PX', TTL)
end
call('INCR', KEYS[2])
call('PEXPIRE', KEYS[2], TTL)
if #ARGV > 5 + marks then call('PEXPIRE', KEYS[1], TTL) end
return 1
