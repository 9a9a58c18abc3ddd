-- app/store/lua/once.lua: keep the reply to a request with an Idempotency-Key, and of one login the latest replies alone.
--
-- KEYS[1]  the reply (string)
-- KEYS[2]  names of the replies of the login, in the order in which they were kept (stream)
-- ARGV     1-2 see common.lua; 3 the reply; 4 for how many seconds; 5 how many are kept, at most; 6 how many bytes, about
-- Returns  1

call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
add_bounded(KEYS[2], ARGV[5], ARGV[6], #ARGV[3], {'k', KEYS[1]}, function(oldest) call('DEL', oldest[2]) end)
call('EXPIRE', KEYS[2], ARGV[4])
return 1
