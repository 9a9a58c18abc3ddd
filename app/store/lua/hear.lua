-- app/store/lua/hear.lua: set whether a voicemail was heard, or delete it from its user's list.
--
-- KEYS[1]  meta of its conversation (hash)
-- KEYS[2]  voicemails of the user that are unheard (sorted set: recording and conversation -> receipt, ms)
-- KEYS[3]  the same of those that were heard
-- ARGV     1-2 see common.lua; 3 conversation; 4 recording; 5 user; 6 when it was heard (ms), empty if it is unheard now,
--          "-" if it is deleted
-- Returns  1, or 0 if there is no such voicemail any more

local META, conversation, wanted = KEYS[1], ARGV[3], ARGV[6]
local field, member = voicemail_field(ARGV[4], ARGV[5]), voicemail_member(ARGV[4], conversation)
local now = call('HGET', META, field)
if not now or now == '-' or call('EXISTS', P .. 'e:' .. conversation) == 0 then return 0 end
if now ~= '' and wanted ~= '' and wanted ~= '-' then return 1 end -- when it was first heard stays
local from, to = KEYS[now == '' and 2 or 3], KEYS[wanted == '' and 2 or 3]
local received = call('ZSCORE', from, member)
call('ZREM', from, member)
if wanted ~= '-' and received then call('ZADD', to, received, member) end
call('HSET', META, field, wanted)
return 1
