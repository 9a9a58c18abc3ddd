-- app/store/lua/record.lua: keep one event of a conversation, once, and move indexes and counters by the difference.
--
-- KEYS[1]  events of the conversation (list)     all keys share the partition's tag, so one slot of a cluster
-- KEYS[2]  meta of the conversation (hash)
-- KEYS[3]... the indexes that may change, so that a cluster runs all of this or nothing while the slot moves
-- ARGV     1-4 see common.lua; 5 conversation; 6 record, empty if there is none to keep: then only the leg's bits,
--          and its newest move, carried from another conversation, are taken in; 7 digest of the canonical body (8 bytes); 8 received
--          (ms); 9 leg, empty if none; 10 its bits; 11 bits that come after this event in the life of a leg; 12 billed
--          seconds; 13 moved at (us, 0: not a move); 14 where the leg went by that move; 15 1 if the webhook is counted
--          here (one that is kept with two conversations is counted with one); 16 1 if its kind or status is unknown;
--          17 numbers in the event, separated by blanks
-- Returns  {1 kept, 0 seen before; where the leg is now, empty if it is here; its bits; its billed seconds;
--          1 if anything changed; when it moved there (us, 0: it never did); where it was thought to be until now, if
--          that is neither here nor there: the move that it came back by was not told, or comes later}

local EVENTS, META = KEYS[1], KEYS[2]
local conversation, record, identity, received = ARGV[5], ARGV[6], 'i' .. ARGV[7], tonumber(ARGV[8])
local leg, new_bits, later, new_billed = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local new_moved_at, new_joined = tonumber(ARGV[13]), ARGV[14]
local minute = math.floor(received / 60000)

local first, heard, known, open, numbers, text, seen =
  unpack(redis.call('HMGET', META, 't', 'h', 'k', 'n', 'x', 'l' .. leg, identity))
local exists = first
if exists and (seen or record == '') then exists = redis.call('EXISTS', EVENTS) == 1 end

local kept = 0
if record ~= '' and not (exists and seen) then
  kept = 1
  if redis.call('RPUSH', EVENTS, record) == 1 then exists = false end
end
if first and not exists then -- what was kept has expired: begin anew
  purge(conversation)
  if kept == 1 then redis.call('RPUSH', EVENTS, record) end
  first, heard, known, open, numbers, text = false, false, false, false, false, false
end
first, heard, numbers = tonumber(first or received), tonumber(heard or received), numbers or ''
known, open = tonumber(known or 0), tonumber(open or 0)
local was_live = exists and (open > 0 or known == 0)

local changes = {} -- of the meta hash, name after value, written together at the end
local function change(name, value)
  changes[#changes + 1], changes[#changes + 2] = name, value
end

if kept == 1 then
  redis.call('PEXPIRE', EVENTS, TTL)
  change(identity, '')
  heard = math.max(received, heard)
  change('h', heard)
  count_minute(minute, 'events', 1)
  if not exists then
    change('t', first)
    count_minute(minute, 'conversations', 1)
  end
end
if ARGV[15] == '1' then
  redis.call('HINCRBY', COUNTS, 'received', 1)
  if kept == 0 then
    redis.call('HINCRBY', COUNTS, 'repeats', 1)
    count_minute(minute, 'repeats', 1)
  elseif ARGV[16] == '1' then
    redis.call('HINCRBY', COUNTS, 'unknown', 1)
  end
end

local bits, billed, changed, elsewhere, moved, left_behind = 0, 0, kept, '', 0, ''
-- Bits may be carried here before the transfer that brings the leg was kept: they wait for it in a note.
local note = leg ~= '' and not text and (P .. 'carried:' .. #conversation .. ':' .. conversation .. leg)
local carried = note and redis.call('GET', note)
if carried then
  local bits_there, billed_there = string.match(carried, '^(%d+) (%d+)$')
  new_bits, new_billed = bit.bor(new_bits, tonumber(bits_there)), math.max(new_billed, tonumber(billed_there))
end

if note and kept == 0 then
  if record == '' then redis.call('SET', note, string.format('%d %d', new_bits, new_billed), 'PX', 60000) end
elseif leg ~= '' then
  local old_bits, old_billed, counted_in, moved_at, joined, old_state = 0, 0, 0, 0, '', nil
  if text then
    old_bits, old_billed, counted_in, moved_at, joined = read_leg(text)
    old_state = counted_state(conversation, old_bits, moved_at, joined)
  else
    if carried then redis.call('DEL', note) end
    known = known + 1
    change('k', known)
    redis.call('HSET', LEGS, leg, (redis.call('HGET', LEGS, leg) or '') .. #conversation .. ':' .. conversation)
    count_minute(minute, 'legs', 1)
  end
  if kept == 1 and bit.band(old_bits, later) ~= 0 then redis.call('HINCRBY', COUNTS, 'out_of_order', 1) end

  bits, billed = bit.bor(old_bits, new_bits), math.max(old_billed, new_billed)
  -- Not by a repeat: a move without a timestamp took place when its first copy was received.
  local new = kept == 1 or record == ''
  local newer = new_moved_at > moved_at
    or (new_moved_at == moved_at and moved_at > 0 and bytes_before(joined, new_joined))
  if new and newer then
    if joined ~= '' and joined ~= conversation and joined ~= new_joined then left_behind = joined end
    moved_at, joined = new_moved_at, new_joined
  end
  if moved_at > 0 and joined ~= conversation then elsewhere = joined end
  moved = moved_at

  local state = counted_state(conversation, bits, moved_at, joined)
  if state ~= old_state then
    local was_open = open
    if old_state then redis.call('HINCRBY', COUNTS, old_state, -1); open = open - 1 end
    if state then redis.call('HINCRBY', COUNTS, state, 1); open = open + 1 end
    if open ~= was_open then change('n', open) end
  end

  -- An outcome is counted in the minute in which the leg was first known to be over, where the leg is, and only there.
  local _, old_outcome = stand(old_bits)
  local _, outcome = stand(bits)
  local counts_in = outcome and elsewhere == '' and (counted_in > 0 and counted_in or minute) or 0
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

  -- The name is put behind, for `%s` would stop at a NUL.
  local new_text = string.format('%d %d %d %.0f ', bits, billed, counts_in, moved_at) .. joined
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
      redis.call('ZADD', P .. 'n:' .. string.sub(digits, -4), first, conversation)
    end
  end
  if numbers ~= before then change('x', numbers) end
end

if changed == 1 then
  redis.call('HSET', META, unpack(changes))
  if open > 0 or known == 0 then
    redis.call('ZADD', HEARD, heard, conversation)
    if not was_live then
      redis.call('ZREM', ENDED, conversation)
      redis.call('ZADD', LIVE, first, conversation)
    end
  elseif was_live or not exists then
    redis.call('ZREM', LIVE, conversation)
    redis.call('ZREM', HEARD, conversation)
    redis.call('ZADD', ENDED, first, conversation)
  end
  tell_listeners(conversation)
end
return {kept, elsewhere, bits, billed, changed, moved, left_behind}
