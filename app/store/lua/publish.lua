-- app/store/lua/publish.lua: append events of a session of a user, unless somebody else has appended some meanwhile.
--
-- KEYS[1]  events of the user (stream): e an event, as JSON
-- KEYS[2]  mark of the session (string): what was sent of it
-- ARGV     1-2 see common.lua; 3 the mark that the events follow, empty if there is none; 4 the mark after them; 5 how
--          many events are kept; 6… the events, in their order
-- Returns  the ids of the events; none if the mark is another one by now

if (call('GET', KEYS[2]) or '') ~= ARGV[3] then return {} end
local ids = {}
for index = 6, #ARGV do
  ids[#ids + 1] = call('XADD', KEYS[1], 'MAXLEN', ARGV[5], '*', 'e', ARGV[index])
end
call('SET', KEYS[2], ARGV[4], 'PX', TTL)
if #ids > 0 then call('PEXPIRE', KEYS[1], TTL) end
return ids
