-- app/store/lua/common.lua: shared by all scripts that touch a conversation, and put in front of each of them.
-- docs/store.md explains the protocol.
--
-- Before this come the constants of app/domain/leg_state.py and app/store/keys.py:
--   LEG_STATES         for each value of a leg's bits two characters: its state, its outcome ("-": it has not ended)
--   COUNTERS           by state, the counter of legs in it; none for completed
--   OUTCOMES           names by number
--   MINUTES_A_BUCKET, MINUTES_KEPT, HOURS_KEPT, NUMBERS_AN_HOUR, FEED_LENGTH, CONVERSATIONS_OF_A_LEG,
--   EVENTS_OF_A_CONVERSATION, LARGE_RECORD, LARGE_RECORDS
--   ACTION, NOTES_AT, CAPPED_BIT   of records (app/store/codec.py): first byte of our actions; which byte has the notes
--   CODES              codes of statistics by name (app/store/statistics.py)
--   ANSWERED           the digit of that outcome
--   COUNTED_LENGTH     of the set of webhooks of which it is known that they were counted
--   MOVED              order from which on a place is known by a move (app/domain/moves.py)
--
-- The meta hash of a conversation has the fields
--   t, h         first receipt (ms), the score in every index; last receipt (ms)
--   b            bytes of the records that are larger than LARGE_RECORD
--   k, n         legs known; legs present that have not ended
--   x            telephone numbers in it, separated by blanks
--   p            operations that wait for news of it, separated by blanks (app/store/operations.py)
--   u... r...    its marks: what else it can be found by, users and recordings (app/domain/marks.py)
--   v<length of the recording's id>:<that><user>
--                a voicemail: empty while it is unheard, else when it was heard (ms), or "-" once it was deleted
--   s            summary of the call that has its home in it, as it is counted (app/store/figures.py)
--   i<6 bytes>   an event that is kept, by the digest of its canonical body
--   l<leg>       "bits billed minute order place": statuses seen, billed seconds, the minute in which its outcome is
--                counted (0: none), where the leg is and by what order that is known (0: it has been here alone)

local call = redis.call    -- a local is faster
local P = ARGV[1]          -- the partition's hash tag
local TTL = ARGV[2]        -- how long everything about a conversation is kept, ms

local LIVE, ENDED, LAST_RECEIVED = P .. 'live', P .. 'ended', P .. 'heard'
local COUNTS, UNSETTLED, TOUCHED, COUNTED = P .. 'counts', P .. 'unsettled', P .. 'touched', P .. 'counted'

-- One entry of the feed (app/store/feed.py), always with these fields in this order:
--   c   conversation
--   i   index of the event in the conversation's list, empty if none was kept
--   k   kind of the event; if none was kept: carry, delete or operation
--   l   leg, empty if none
--   s   state of the leg before and after, a character each; see state_here
local function add_to_feed(conversation, index, kind, leg, states)
  call('XADD', P .. 'feed', 'MAXLEN', '~', FEED_LENGTH, '*',
    'c', conversation, 'i', index, 'k', kind, 'l', leg, 's', states)
end

-- Append an entry to a stream, of which the oldest go beyond *most* entries, and beyond so many bytes: each entry has the
-- sum of the sizes of all up to itself, so there is no counter to keep in step. *fields* are names and values; *gone*,
-- if it is given, is called with the fields of each entry that goes.
local function add_bounded(stream, most, most_bytes, size, fields, gone)
  local function sum_of(entry) -- none in an entry of an older version
    local values = entry and entry[2] or {}
    return values[#values - 1] == 'sum' and tonumber(values[#values]) or 0
  end
  local sum = sum_of(call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]) + size
  fields[#fields + 1], fields[#fields + 2] = 'sum', string.format('%.0f', sum)
  call('XADD', stream, '*', unpack(fields))
  local length = call('XLEN', stream)
  while length > 1 do
    local oldest = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    if length <= tonumber(most) and sum - sum_of(oldest) < tonumber(most_bytes) then return end
    call('XDEL', stream, oldest[1])
    length = length - 1
    if gone then gone(oldest[2]) end
  end
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

-- Add to a field that may be new, of a hash that then has to expire.
local function add(key, field, by, kept_for)
  local now = call('HINCRBY', key, field, by)
  if now == by then call('PEXPIRE', key, kept_for) end
  return now
end

-- Statistics by minute and by hour; *name* is one of CODES, or a code itself.
local counted_minute, bucket, hour, digit
local function count_minute(minute, name, by)
  if by == 0 then return end
  if minute ~= counted_minute then
    counted_minute, digit = minute, minute % MINUTES_A_BUCKET
    bucket = P .. 'minutes:' .. math.floor(minute / MINUTES_A_BUCKET)
    hour = P .. 'hours:' .. math.floor(minute / 60)
  end
  local code = CODES[name] or name
  add(bucket, digit .. code, by, MINUTES_KEPT)
  add(hour, code, by, HOURS_KEPT)
end

-- Note that *webhook* was counted. This is needed for repeats, and for events from a spool, which are written again if
-- the worker that wrote them was killed. The latest are enough: no more are written at once.
local function note_counted(webhook)
  local now = call('TIME')
  call('ZADD', COUNTED, now[1] * 1000 + math.floor(now[2] / 1000), webhook)
  call('ZREMRANGEBYRANK', COUNTED, 0, -1 - COUNTED_LENGTH)
  call('PEXPIRE', COUNTED, 86400000)
end

-- Whether *webhook* (digest of its body and time of receipt) is to be counted. *how*: `Counted` in app/store/spooled.py;
-- *kept*: 0 if it was there already; then *is_same*: whether this very webhook was, and not another with its body.
local function to_count(how, kept, webhook, is_same)
  if how == '0' then return false end
  if how == '2' then return kept == 1 end
  if how == '1' then
    if kept == 0 then note_counted(webhook) end
    return true
  end
  if call('ZSCORE', COUNTED, webhook) or (how == '4' and kept == 0 and is_same) then return false end
  note_counted(webhook)
  return true
end

-- The call that has its home in *conversation* has to be counted again, by app/store/figures.py.
local function touch(conversation)
  call('ZINCRBY', TOUCHED, 1, 'e' .. conversation)
end

local function count_figure(key, field, by)
  if by ~= 0 and add(key, field, by, HOURS_KEPT) == 0 then call('HDEL', key, field) end
end

-- The number under which a call is counted: empty, together with others, if there is no room for another one.
local function number_with_room(key, field, number)
  if number == '' or call('HEXISTS', key, field .. number) == 1 or call('HLEN', key) < NUMBERS_AN_HOUR then
    return number
  end
  return ''
end

-- Count a call (*sign* 1), or take it off again (-1). *summary* and the fields are described in app/store/figures.py.
-- Returns the summary of what was counted.
local function count_call(summary, sign)
  local facts, to = string.match(summary, '^(.+) (%d*)$')
  local start, length, outcome, talk, wait, price = string.match(facts, '^(%d+) (%S+) (%S) (%S+) (%S+) (%S+)$')
  start = tonumber(start)
  local began, minute = math.floor(start / 60), start % 60
  local calls, numbers, quarter = P .. 'calls:' .. began, P .. 'numbers:' .. began, math.floor(minute / 15)
  count_figure(calls, minute .. '+', sign)
  if length ~= '-' then
    local last = start + length
    count_figure(P .. 'calls:' .. math.floor(last / 60), (last % 60) .. '-', sign)
  else
    call('HINCRBY', COUNTS, 'live_calls', sign)
  end
  count_figure(calls, quarter .. 'o' .. outcome, sign)
  for name, value in pairs({t = talk, w = wait, p = price}) do
    if value ~= '-' then
      count_figure(calls, quarter .. name, sign * value)
      count_figure(calls, quarter .. string.upper(name), sign)
    end
  end
  if sign == 1 then to = number_with_room(numbers, quarter .. 't', to) end
  count_figure(numbers, quarter .. 't' .. to, sign)
  if outcome == ANSWERED then count_figure(numbers, quarter .. 'a' .. to, sign) end
  if price ~= '-' then count_figure(numbers, quarter .. 'p' .. to, sign * price) end
  return facts .. ' ' .. to
end

local function read_leg(text)
  local bits, billed, minute, order, place = string.match(text, '^(%d+) (%d+) (%d+) (%d+) ?(.*)$')
  return tonumber(bits), tonumber(billed), tonumber(minute), tonumber(order), place
end

-- How a voicemail is named in its conversation's meta, and in the sorted sets of its user (app/store/voicemails.py).
local function voicemail_field(recording, user)
  return 'v' .. #recording .. ':' .. recording .. user
end

local function voicemail_member(recording, conversation)
  return #recording .. ':' .. recording .. conversation
end

-- Note, in the same script as the change, that the leg's entry and other conversations do not have it yet. Who has updated
-- them removes the note; if nobody does, housekeeping updates them (app/store/legs.py). Every note is unique.
local function note_unsettled(conversation, leg)
  local now = call('TIME')
  local note = now[1] .. '.' .. now[2] .. ':' .. #conversation .. ':' .. conversation .. leg
  call('SADD', UNSETTLED, note)
  return note
end

-- A summary as it is stored, its minutes counted from the first receipt (ms), to save memory; and the other way round.
local function from_first(summary, first, sign)
  return (string.gsub(summary, '^%-?%d+', function(minute) return minute + sign * math.floor(first / 60000) end))
end

-- An event that had waited in a spool was received before all that were kept: move the first receipt of *conversation*
-- (ms) back, in every index that it is in.
local function move_back(conversation, old, first)
  local function move(index) call('ZADD', index, 'XX', first, conversation) end
  local meta = P .. 'm:' .. conversation
  local flat = call('HGETALL', meta)
  call('HSET', meta, 't', first)
  move(LIVE)
  move(ENDED)
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local sort = string.sub(name, 1, 1)
    if sort == 'u' or sort == 'r' then
      move(P .. 'f:' .. name)
    elseif name == 'x' then
      for digits in string.gmatch(value, '%d+') do move(P .. 'n:' .. string.sub(digits, -4)) end
    elseif name == 's' then
      call('HSET', meta, 's', from_first(from_first(value, old, 1), first, -1))
    end
  end
  count_minute(math.floor(old / 60000), 'conversations', -1)
  count_minute(math.floor(first / 60000), 'conversations', 1)
end

-- Delete a conversation, and take it out of every index and counter; with *forgotten* the call that has its home in it is
-- not counted any more. Otherwise it stays in the figures, unless it is live, for nothing would count its end. Makes no
-- entry in the feed. Returns notes: its legs have still to learn it.
local function purge(conversation, forgotten)
  local notes, first, counted = {}, nil, nil
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
    elseif sort == 'u' or sort == 'r' then
      call('ZREM', P .. 'f:' .. name, conversation)
    elseif sort == 'v' then
      local length, start = string.match(rest, '^(%d+):()')
      local recording, user = string.sub(rest, start, start + length - 1), string.sub(rest, start + length)
      local member = voicemail_member(recording, conversation)
      call('ZREM', P .. 'vn:' .. user, member)
      call('ZREM', P .. 'vh:' .. user, member)
    elseif name == 'x' then
      for digits in string.gmatch(value, '%d+') do call('ZREM', P .. 'n:' .. string.sub(digits, -4), conversation) end
    elseif name == 's' then
      counted = value
    elseif name == 't' then
      first = value
    end
  end
  if counted and (forgotten or string.find(counted, '^%S+ %- ')) then count_call(from_first(counted, first, 1), -1) end
  call('ZREM', LIVE, conversation)
  call('ZREM', ENDED, conversation)
  call('ZREM', LAST_RECEIVED, conversation)
  call('ZREM', TOUCHED, 'e' .. conversation, 'r' .. conversation)
  return notes
end
