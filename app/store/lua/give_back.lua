-- app/store/lua/give_back.lua: let others move or mute a leg, unless somebody else has taken it since.
--
-- KEYS[1]  who may (string)
-- ARGV     1-2 see common.lua; 3 the operation that took it
-- Returns  1 if it was still the operation's

if call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
return call('DEL', KEYS[1])
