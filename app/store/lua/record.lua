-- app/store/lua/record.lua: keep one event of a conversation, once, and move indexes and counters by the difference.
--
-- KEYS[1]  events of the conversation (list)     all keys have the partition's tag: one slot of a cluster
-- KEYS[2]  meta of the conversation (hash)
-- KEYS[3]... the indexes that may change, so that a cluster runs all of this or nothing while the slot moves
-- ARGV     1-2 see common.lua; 3 conversation; 4 record, empty for a carry: news of a leg from elsewhere, which changes
--          only the leg's bits, billed seconds and place; 5 digest of the canonical body (6 bytes); 6 received (ms);
--          7 kind; 8 leg, empty if none; 9 its bits; 10 bits that come after this event in the life of a leg; 11 billed
--          seconds; 12-13 place: order (0: unknown), name; 14 how the webhook is counted here (a transfer is counted in
--          one of its conversations), see `counting` in app/store/record_command.py; 15 1 if its kind or status is
--          unknown; 16 codes of statistics, separated by blanks, to count if it is kept; 17 telephone numbers in the
--          event, separated by blanks; 18-19 the user whose voicemail it is, and its recording, empty if it is none;
--          20... marks of the event (app/domain/marks.py)
-- Returns  {1 kept, 0 a repeat or no room; 1 if the leg is known here; its bits; its billed seconds; its place: order
--          (0: it has been here alone), name; a note if others have to learn of it; 1 if the leg is new here, 2 if the
--          conversation had expired; the operations that wait for news of this conversation, separated by blanks, none
--          for a carry; {its users, its legs} if it is known now that the last one has ended, else {}: the place of a user
--          that a call has whose first leg is one of these is free}
-- Feed     an entry of the event, or of a carry that changed what is known of the leg

local EVENTS, META = KEYS[1], KEYS[2]
local conversation, record, identity, received = ARGV[3], ARGV[4], 'i' .. ARGV[5], tonumber(ARGV[6])
local leg, new_bits, later, new_billed = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local new_order, new_place = tonumber(ARGV[12]), ARGV[13]
local minute = math.floor(received / 60000)
local how = string.sub(ARGV[14], 1, 1)
local waited = how == '3' or how == '4' -- in a spool

local first, last, known, open, numbers, operations, text, seen =
  unpack(call('HMGET', META, 't', 'h', 'k', 'n', 'x', 'p', 'l' .. leg, identity))
local exists = first
if exists and (seen or record == '') then exists = call('EXISTS', EVENTS) == 1 end

-- Whether the event changes where its leg is known to be, or its state.
local function changes_leg()
  if leg == '' then return false end
  if not text then return new_bits > 0 or new_order > 0 end
  local old_bits, old_billed, _, order = read_leg(text)
  return bit.bor(old_bits, new_bits) ~= old_bits or new_billed > old_billed or new_order > order
end

local LEGS_OF_A_CALL = 200

-- The users and the legs of this conversation, all of which have ended; none if a leg has moved on, perhaps with a user,
-- or if there are so many that no call of Vonage's is like that.
local function over()
  if known > LEGS_OF_A_CALL then return {} end
  local users, legs, flat = {}, {}, call('HGETALL', META)
  for i = 1, #flat, 2 do
    local sort, name = string.sub(flat[i], 1, 1), string.sub(flat[i], 2)
    if sort == 'u' then
      users[#users + 1] = name
    elseif sort == 'l' then
      local bits, _, _, order, place = read_leg(flat[i + 1])
      if state_here(conversation, bits, order, place) == '-' then return {} end
      legs[#legs + 1] = name
    end
  end
  return #users > 0 and {users, legs} or {}
end

local function capped(text)
  local notes = bit.bor(string.byte(text, NOTES_AT), CAPPED_BIT)
  return string.sub(text, 1, NOTES_AT - 1) .. string.char(notes) .. string.sub(text, NOTES_AT + 1)
end

local kept, index, dropped, large = 0, '', false, 0
if record ~= '' and not (exists and seen) then
  kept = 1
  index = call('RPUSH', EVENTS, record) - 1
  if index == 0 then exists = false end
  if #record > LARGE_RECORD then large = (exists and call('HGET', META, 'b') or 0) + #record end
  local fills = math.max(index / EVENTS_OF_A_CONVERSATION, large / LARGE_RECORDS) -- 1: full; 2: also for the rest
  if fills >= 2 or (fills >= 1 and not (string.byte(record) == ACTION or changes_leg())) then
    call('RPOP', EVENTS)
    kept, index, dropped = 0, '', true
    local latest = call('LINDEX', EVENTS, -1)
    if latest and capped(latest) ~= latest then call('LSET', EVENTS, -1, capped(latest)) end
  elseif fills >= 1 or index == EVENTS_OF_A_CONVERSATION - 1 then
    call('LSET', EVENTS, -1, capped(record))
  end
end
local fresh = 0
if first and not exists then -- its events have expired: begin anew
  purge(conversation)
  fresh = 2
  if kept == 1 then call('RPUSH', EVENTS, record) end
  first, last, known, open, numbers, operations, text = false, false, false, false, false, false, false
end
first, last, numbers = tonumber(first or received), tonumber(last or received), numbers or ''
known, open = tonumber(known or 0), tonumber(open or 0)
local newest = last -- before this event
local was_live = exists and (open > 0 or known == 0)

local changes = {} -- of the meta hash, name before value, written together at the end
local function change(name, value)
  changes[#changes + 1], changes[#changes + 2] = name, value
end

if kept == 1 then
  call('PEXPIRE', EVENTS, TTL)
  change(identity, '')
  last = math.max(received, last)
  change('h', last)
  if large > 0 then change('b', string.format('%.0f', large)) end
  count_minute(minute, 'events', 1)
  for code in string.gmatch(ARGV[16], '%S+') do count_minute(minute, code, 1) end
  if not exists then
    change('t', first)
    count_minute(minute, 'conversations', 1)
  end
end
-- A copy that was received later may be kept already, or this very webhook.
local is_earliest, is_same = kept == 1 and exists, false
if kept == 0 and waited then
  for i, each in ipairs(call('LRANGE', EVENTS, 0, -1)) do -- layout: app/store/codec.py
    is_same = is_same or each == record
    if string.sub(each, 9) == string.sub(record, 9) and bytes_before(string.sub(record, 2, 7), string.sub(each, 2, 7)) then
      call('LSET', EVENTS, i - 1, record)
      is_earliest = true
    end
  end
end
if is_earliest and received < first then
  move_back(conversation, first, received)
  first = received
end
if to_count(how, kept, ARGV[5] .. ARGV[6] .. '.' .. string.sub(ARGV[14], 2), is_same) then
  call('HINCRBY', COUNTS, 'received', 1)
  if dropped then
    call('HINCRBY', COUNTS, 'capped', 1)
  elseif kept == 0 then
    call('HINCRBY', COUNTS, 'repeats', 1)
    count_minute(minute, 'repeats', 1)
  elseif ARGV[15] == '1' then
    call('HINCRBY', COUNTS, 'unknown', 1)
  end
end

local bits, billed, changed, order, place, note, ended = 0, 0, kept, 0, '', '', {}
local old_state, state = '-', '-'
local here = leg ~= '' and (text or kept == 1) -- no carry makes a leg known: one that no event of its own names
if here then
  local old_bits, old_billed, counted_in = 0, 0, 0
  if text then
    old_bits, old_billed, counted_in, order, place = read_leg(text)
    old_state = state_here(conversation, old_bits, order, place)
  else
    fresh = math.max(fresh, 1)
    known = known + 1
    change('k', known)
    count_minute(minute, 'legs', 1)
  end
  -- One from a spool is written late, and not out of order for that.
  if kept == 1 and bit.band(old_bits, later) ~= 0 and (not waited or received >= newest) then
    call('HINCRBY', COUNTS, 'out_of_order', 1)
    count_minute(minute, 'out_of_order', 1)
  end

  bits, billed = bit.bor(old_bits, new_bits), math.max(old_billed, new_billed)
  -- Not by a repeat: a move without a timestamp took place when its first copy was received.
  if (kept == 1 or record == '')
    and (new_order > order or (new_order == order and order > 0 and bytes_before(place, new_place))) then
    order, place = new_order, new_place
  end
  local elsewhere = order > 0 and place ~= conversation
  if kept == 1 and (not text or order > 0) then note = note_unsettled(conversation, leg) end

  state = state_here(conversation, bits, order, place)
  if state ~= old_state then
    local was_open, old_counter, counter = open, COUNTERS[old_state], COUNTERS[state]
    if old_counter then call('HINCRBY', COUNTS, old_counter, -1); open = open - 1 end
    if counter then call('HINCRBY', COUNTS, counter, 1); open = open + 1 end
    if open > 0 and open ~= was_open then change('n', open) end
    if open == 0 and was_open > 0 then call('HDEL', META, 'n') end -- as nearly all that is stored: none is 0
  end

  -- An outcome is counted where the leg is, and only there, in the minute in which the leg was first known to have ended.
  local old_outcome, outcome = outcome_of(old_bits), outcome_of(bits)
  local counts_in = outcome and not elsewhere and (counted_in > 0 and counted_in or minute) or 0
  if counts_in ~= counted_in or outcome ~= old_outcome or billed ~= old_billed then
    if counted_in > 0 then
      count_minute(counted_in, old_outcome, -1)
      count_minute(counted_in, 'seconds', -old_billed)
    end
    if counts_in > 0 then
      count_minute(counts_in, outcome, 1)
      count_minute(counts_in, 'seconds', billed)
    end
  end

  -- The name is appended, for `%s` would stop at a NUL.
  local new_text = string.format('%d %d %d %.0f', bits, billed, counts_in, order)
  if order > 0 then new_text = new_text .. ' ' .. place end
  if new_text ~= text then
    change('l' .. leg, new_text)
    changed = 1
  end
end

if kept == 1 and ARGV[17] ~= '' then
  local before = numbers
  for digits in string.gmatch(ARGV[17], '%d+') do
    if not string.find(' ' .. numbers .. ' ', ' ' .. digits .. ' ', 1, true) then
      numbers = numbers == '' and digits or numbers .. ' ' .. digits
      call('ZADD', P .. 'n:' .. string.sub(digits, -4), first, conversation)
    end
  end
  if numbers ~= before then change('x', numbers) end
end

if kept == 1 and ARGV[18] ~= '' then -- it may be reported again: what was set of one that is known stays
  local field = voicemail_field(ARGV[19], ARGV[18])
  if call('HGET', META, field) == false then
    call('ZADD', P .. 'vn:' .. ARGV[18], received, voicemail_member(ARGV[19], conversation))
    change(field, '')
  end
end

local new_mark = false
for i = 20, kept == 1 and #ARGV or 0 do
  if call('ZADD', P .. 'f:' .. ARGV[i], first, conversation) == 1 then
    change(ARGV[i], '')
    new_mark = true
  end
end

if changed == 1 then
  call('HSET', META, unpack(changes))
  touch(conversation)
  if open > 0 or known == 0 then
    call('ZADD', LAST_RECEIVED, last, conversation)
    if not was_live then
      call('ZREM', ENDED, conversation)
      call('ZADD', LIVE, first, conversation)
    end
  elseif was_live or not exists then
    call('ZREM', LIVE, conversation)
    call('ZREM', LAST_RECEIVED, conversation)
    call('ZADD', ENDED, first, conversation)
    ended = over()
  elseif new_mark then -- the record of an answer is written later, perhaps after the end
    ended = over()
  end
  add_to_feed(conversation, index, kept == 1 and ARGV[7] or 'carry', leg, old_state .. state)
end
return {kept, here and 1 or 0, bits, billed, order, place, note, fresh, record ~= '' and operations or '', ended}
