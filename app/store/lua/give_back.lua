-- app/store/lua/give_back.lua: let others have what somebody took, unless somebody else has taken it since.
--
-- KEYS[1]  who has it (string)
-- ARGV     1-2 see common.lua; 3 who took it
-- Returns  1 if it was still theirs

if call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
return call('DEL', KEYS[1])
