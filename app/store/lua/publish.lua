-- app/store/lua/publish.lua: append events of sessions of a user, unless somebody else has appended some meanwhile.
--
-- KEYS[1]  events of the user (stream): e an event, as JSON
-- KEYS[2…] marks of the sessions (strings): what was sent of each
-- ARGV     1-2 see common.lua; 3 how many events are kept; 4 the number of marks; then for each the mark that the
--          events follow, empty if there is none, and the mark after them; then the events, in their order
-- Returns  1; 0 if a mark is another one by now, and nothing was changed

local most, marks = ARGV[3], tonumber(ARGV[4])
for index = 1, marks do
  if (call('GET', KEYS[1 + index]) or '') ~= ARGV[3 + 2 * index] then return 0 end
end
for index = 5 + 2 * marks, #ARGV do
  call('XADD', KEYS[1], 'MAXLEN', most, '*', 'e', ARGV[index])
end
for index = 1, marks do
  call('SET', KEYS[1 + index], ARGV[4 + 2 * index], 'PX', TTL)
end
if #ARGV >= 5 + 2 * marks then call('PEXPIRE', KEYS[1], TTL) end
return 1
