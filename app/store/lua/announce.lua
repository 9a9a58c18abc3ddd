-- app/store/lua/announce.lua: say in the feed that an operation with legs in a conversation has changed its state.
--
-- KEYS[1]  meta of the conversation (hash)     KEYS[2]  feed of the partition (stream)
-- ARGV     1-2 see common.lua; 3 conversation
-- Feed     an entry without an event; none if there is no such conversation

if call('EXISTS', KEYS[1]) == 1 then add_to_feed(ARGV[3], '', 'operation', '', '--') end
