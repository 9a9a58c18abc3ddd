-- app/store/lua/common.lua: what every script that touches a conversation shares; put in front of each of them.
--
-- STANDINGS, STATES, OUTCOMES come before this, made by app/domain/leg_state.py.
--
-- The meta hash of a conversation holds, under
--   t, h         first receipt (ms): its place in every index, never changed; last receipt (ms)
--   k, n         legs known; legs present that have not ended
--   x            numbers in it, separated by blanks
--   i<8 bytes>   an event that is kept, by the digest of its canonical body
--   l<leg>       "bits billed minute moved_at joined": statuses seen, billed seconds, the minute in which its outcome
--                is counted (0: none yet), the leg's newest move (us since 1970, 0: none) and where it went by it

local P = ARGV[1]          -- the partition's hash tag
local MINUTES_A_BUCKET = tonumber(ARGV[2])
local TTL = ARGV[3]        -- how long everything about a conversation is kept, ms
local FEED_LENGTH = ARGV[4]

local LIVE, ENDED, HEARD, COUNTS, LEGS = P .. 'live', P .. 'ended', P .. 'heard', P .. 'counts', P .. 'legs'

local function tell_listeners(conversation)
  redis.call('XADD', P .. 'feed', 'MAXLEN', '~', FEED_LENGTH, '*', 'c', conversation)
end

-- Bytes, not `<`: Lua compares strings by the locale of the server.
local function bytes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function stand(bits)
  local state, outcome = string.byte(STANDINGS, 2 * bits + 1, 2 * bits + 2)
  return STATES[state - 47], outcome ~= 45 and OUTCOMES[outcome - 47] or nil
end

local function count_minute(minute, name, by)
  if by == 0 then return end
  local bucket = P .. 'minutes:' .. math.floor(minute / MINUTES_A_BUCKET)
  local now = redis.call('HINCRBY', bucket, (minute % MINUTES_A_BUCKET) .. ':' .. name, by)
  if now == by then redis.call('PEXPIRE', bucket, TTL) end -- a new field: the bucket may be new
end

local function read_leg(text)
  local bits, billed, minute, moved_at, joined = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  return tonumber(bits), tonumber(billed), tonumber(minute), tonumber(moved_at), joined
end

-- The state a leg is counted under in this conversation; nil where it is not: it ended, or it is elsewhere.
local function counted_state(conversation, bits, moved_at, joined)
  if moved_at > 0 and joined ~= conversation then return nil end
  local state = stand(bits)
  if state ~= 'completed' then return state end
end

-- "12:CON-one12:CON-two": the conversations of this partition that a leg has been in, each behind its length.
local function without(list, conversation)
  local kept, place = {}, 1
  while place <= #list do
    local colon = string.find(list, ':', place, true)
    local last = colon + tonumber(string.sub(list, place, colon - 1))
    if string.sub(list, colon + 1, last) ~= conversation then kept[#kept + 1] = string.sub(list, place, last) end
    place = last + 1
  end
  return table.concat(kept)
end

-- Take a conversation out of every index and counter and delete what is kept of it.
local function purge(conversation)
  local meta, events = P .. 'm:' .. conversation, P .. 'e:' .. conversation
  local flat = redis.call('HGETALL', meta)
  redis.call('DEL', events, meta) -- first of all: a Redis that is full lets a script go on only if it began by freeing
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local sort, rest = string.sub(name, 1, 1), string.sub(name, 2)
    if sort == 'l' then
      local bits, _, _, moved_at, joined = read_leg(value)
      local state = counted_state(conversation, bits, moved_at, joined)
      if state then redis.call('HINCRBY', COUNTS, state, -1) end
      local list = redis.call('HGET', LEGS, rest)
      if list then
        list = without(list, conversation)
        if list == '' then redis.call('HDEL', LEGS, rest) else redis.call('HSET', LEGS, rest, list) end
      end
    elseif name == 'x' then
      for digits in string.gmatch(value, '%d+') do redis.call('ZREM', P .. 'n:' .. string.sub(digits, -4), conversation) end
    end
  end
  redis.call('ZREM', LIVE, conversation)
  redis.call('ZREM', ENDED, conversation)
  redis.call('ZREM', HEARD, conversation)
end
