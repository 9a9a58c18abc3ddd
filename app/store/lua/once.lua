-- app/store/lua/once.lua: note that a reply to a request with an Idempotency-Key was kept, and of one login the latest alone.
--
-- KEYS[1]  keys of the replies of the login, in the order in which they were kept (stream)
-- ARGV     1-2 see common.lua; 3 key of the reply; 4 its bytes; 5 for how many seconds; 6 how many are kept, at most;
--          7 how many bytes, about
-- Returns  the keys of those that are to be kept no more: in a cluster they are elsewhere

local gone = {}
add_bounded(KEYS[1], ARGV[6], ARGV[7], ARGV[4], {'k', ARGV[3]}, function(oldest) gone[#gone + 1] = oldest[2] end)
call('EXPIRE', KEYS[1], ARGV[5])
return gone
