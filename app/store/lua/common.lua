-- app/store/lua/common.lua: shared by all scripts that touch a conversation, and put in front of each of them.
-- docs/store.md explains the protocol.
--
-- Before this come the constants of app/domain/leg_state.py and app/store/keys.py:
--   LEG_STATES         for each value of a leg's bits two characters: its state, its outcome ("-": it has not ended)
--   COUNTERS           by state, the counter of legs in it; none for completed
--   OUTCOMES           names by number
--   MINUTES_A_BUCKET, FEED_LENGTH, CONVERSATIONS_OF_A_LEG
--   MOVED              order from which on a place is known by a move (app/domain/moves.py)
--
-- The meta hash of a conversation has the fields
--   t, h         first receipt (ms), which never changes: the score in every index; last receipt (ms)
--   k, n         legs known; legs present that have not ended
--   x            telephone numbers in it, separated by blanks
--   i<8 bytes>   an event that is kept, by the digest of its canonical body
--   l<leg>       "bits billed minute order place": statuses seen, billed seconds, the minute in which its outcome is
--                counted (0: none), where the leg is and by what order that is known (0: it has been here alone)

local call = redis.call    -- a local is faster
local P = ARGV[1]          -- the partition's hash tag
local TTL = ARGV[2]        -- how long everything about a conversation is kept, ms

local LIVE, ENDED, LAST_RECEIVED = P .. 'live', P .. 'ended', P .. 'heard'
local COUNTS, UNSETTLED = P .. 'counts', P .. 'unsettled'

-- One entry of the feed (app/store/feed.py), always with these fields in this order:
--   c   conversation
--   i   index of the event in the conversation's list, empty if none was kept
--   k   kind of the event; if none was kept: carry or delete
--   l   leg, empty if none
--   s   state of the leg before and after, a character each; see state_here
local function add_to_feed(conversation, index, kind, leg, states)
  call('XADD', P .. 'feed', 'MAXLEN', '~', FEED_LENGTH, '*',
    'c', conversation, 'i', index, 'k', kind, 'l', leg, 's', states)
end

-- Bytes, not `<`: Lua compares strings by the locale of the server.
local function bytes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function outcome_of(bits)
  local digit = string.byte(LEG_STATES, 2 * bits + 2)
  return digit ~= 45 and OUTCOMES[digit - 47] or nil
end

-- The state of a leg in this conversation: a digit as in LEG_STATES, or "-" while it is elsewhere.
local function state_here(conversation, bits, order, place)
  if order > 0 and place ~= conversation then return '-' end
  return string.sub(LEG_STATES, 2 * bits + 1, 2 * bits + 1)
end

local counted_minute, bucket, field
local function count_minute(minute, name, by)
  if by == 0 then return end
  if minute ~= counted_minute then
    counted_minute, bucket = minute, P .. 'minutes:' .. math.floor(minute / MINUTES_A_BUCKET)
    field = (minute % MINUTES_A_BUCKET) .. ':'
  end
  local now = call('HINCRBY', bucket, field .. name, by)
  if now == by then call('PEXPIRE', bucket, TTL) end -- a new field: the bucket may be new
end

local function read_leg(text)
  local bits, billed, minute, order, place = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  return tonumber(bits), tonumber(billed), tonumber(minute), tonumber(order), place
end

-- Note, in the same script as the change, that the leg's entry and other conversations do not have it yet. Who has updated
-- them removes the note; if nobody does, housekeeping updates them (app/store/legs.py). Every note is unique.
local function note_unsettled(conversation, leg)
  local now = call('TIME')
  local note = now[1] .. '.' .. now[2] .. ':' .. #conversation .. ':' .. conversation .. leg
  call('SADD', UNSETTLED, note)
  return note
end

-- Delete a conversation, and take it out of every index and counter. Makes no entry in the feed. Returns notes: its legs
-- have still to learn it.
local function purge(conversation)
  local notes = {}
  local meta, events = P .. 'm:' .. conversation, P .. 'e:' .. conversation
  local flat = call('HGETALL', meta)
  call('DEL', events, meta) -- first of all: a full Redis lets a script go on only if it began by freeing
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local sort, rest = string.sub(name, 1, 1), string.sub(name, 2)
    if sort == 'l' then
      local bits, _, _, order, place = read_leg(value)
      local counter = COUNTERS[state_here(conversation, bits, order, place)]
      if counter then call('HINCRBY', COUNTS, counter, -1) end
      notes[#notes + 1] = note_unsettled(conversation, rest)
    elseif name == 'x' then
      for digits in string.gmatch(value, '%d+') do call('ZREM', P .. 'n:' .. string.sub(digits, -4), conversation) end
    end
  end
  call('ZREM', LIVE, conversation)
  call('ZREM', ENDED, conversation)
  call('ZREM', LAST_RECEIVED, conversation)
  return notes
end
