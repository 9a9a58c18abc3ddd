-- app/store/lua/remove.lua: delete conversations of one partition.
--
-- KEYS[1]  counters of the partition (its tag gives the slot)
-- ARGV     1-2 see common.lua; 3 1 if their calls leave the figures, too; 4... conversations
-- Returns  {how many there were, notes: their legs have to learn it; also those that are left of earlier deletions}
-- Feed     an entry for each

local MOST_NOTES = 1000 -- that are looked through; housekeeping finds the others

local removed, notes, missing = 0, {}, {}
for i = 4, #ARGV do
  local conversation = ARGV[i]
  if call('EXISTS', P .. 'e:' .. conversation, P .. 'm:' .. conversation) > 0 then
    for _, note in ipairs(purge(conversation, ARGV[3] == '1')) do notes[#notes + 1] = note end
    add_to_feed(conversation, '', 'delete', '', '--')
    removed = removed + 1
  else
    missing[conversation] = true
  end
end
if next(missing) then
  for _, note in ipairs(call('SRANDMEMBER', UNSETTLED, MOST_NOTES)) do
    local length, start = string.match(note, '^[^:]*:(%d+):()')
    if missing[string.sub(note, start, start + length - 1)] then notes[#notes + 1] = note end
  end
end
return {removed, notes}
