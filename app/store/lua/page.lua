-- app/store/lua/page.lua: the next conversations of one partition that match a filter, newest or oldest first.
--
-- KEYS     the sorted sets to read (conversation by first receipt): live, ended or both, or a number's
-- ARGV     1-2 see common.lua; 3 state wanted: any, live, presumed_ended, ended; 4 last receipt (ms) before which a live
--          conversation is presumed ended; 5 number it must have, empty if any; 6 1 if that is only a number's end;
--          7 lowest first receipt (ms) wanted; 8 highest, "+inf" if any; 9 only what comes after this conversation
--          among those of that very millisecond, empty if all; 10 how many are wanted; 11 how many to check, at most;
--          12 1 if the oldest come first
-- Returns  for each key {1 if there are no more, the last conversation checked, its first receipt,
--          {conversation, first receipt, conversation, first receipt, ...}}

local state, presumed, number, suffix = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1'
local lowest, highest, after, limit, bound = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local oldest_first = ARGV[12] == '1'
local from, to = oldest_first and lowest or highest, oldest_first and highest or lowest
local by_score = oldest_first and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'

local function wanted(conversation)
  if number ~= '' then
    local numbers = ' ' .. (call('HGET', P .. 'm:' .. conversation, 'x') or '') .. ' '
    if not string.find(numbers, (suffix and '' or ' ') .. number .. ' ', 1, true) then return false end
  end
  if state == 'any' then return true end
  if state == 'ended' then return call('ZSCORE', ENDED, conversation) ~= false end
  local last = call('ZSCORE', LAST_RECEIVED, conversation)
  return last ~= false and (tonumber(last) < presumed) == (state == 'presumed_ended')
end

-- Whether a page before had the conversation: only one that began in the millisecond at which that page ended.
local function was_had(conversation, first)
  if after == '' or first ~= from then return false end
  if oldest_first then return not bytes_before(after, conversation) end
  return not bytes_before(conversation, after)
end

local function read(key)
  local found, offset, checked, done = {}, 0, 0, 0
  local last
  while done == 0 and #found < 2 * limit and checked < bound do
    local batch = call(by_score, key, from, to, 'WITHSCORES', 'LIMIT', offset, limit)
    if #batch < 2 * limit then done = 1 end
    offset = offset + limit
    for i = 1, #batch, 2 do
      local conversation, first = batch[i], batch[i + 1]
      if not was_had(conversation, first) then
        checked = checked + 1
        last = {conversation, first}
        if wanted(conversation) then
          found[#found + 1], found[#found + 2] = conversation, first
          if #found == 2 * limit then done = (done == 1 and i == #batch - 1) and 1 or 0; break end
        end
      end
    end
  end
  return {done, last and last[1] or '', last and last[2] or '', found}
end

local pages = {}
for _, key in ipairs(KEYS) do pages[#pages + 1] = read(key) end
return pages
