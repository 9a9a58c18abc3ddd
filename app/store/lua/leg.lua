-- app/store/lua/leg.lua: merge news of a leg into its entry, which lies in the leg's own partition: one for all of its
-- conversations.
--
-- KEYS[1]  entries of the legs of the partition (hash)
-- ARGV     1-2 see common.lua; 3 leg; 4 its bits; 5 billed seconds; 6-7 place: order, name; 8 1 if the leg is known in
--          several conversations; 9 when to change nothing: 0 never; 1 if the entry names other conversations than the
--          one that follows, and not that; 2 also if it names that, and has more than conversations; 10 how many
--          conversations the leg is in, of those that follow; 11... these, and then those that it is not in any more
-- Returns  {bits; billed seconds; 6-7 place: order (0: nothing but the conversations is kept), name; the place until now,
--          if it was another; how many conversations; 1 if there was more than the conversations before; 1 if nothing
--          was changed}
--
-- An entry is "12:CON-one12:CON-two", the conversations in the order in which they came; before it, once the leg has
-- moved or is known in several, "=bits billed order 12:CON-two", so that most legs need little memory. What is known
-- stays while there is a conversation of the leg, even if the one that it came from is deleted.

local leg = ARGV[3]
local text = call('HGET', KEYS[1], leg) or ''
local bits, billed, order, place, start = 0, 0, 0, '', 1
if string.sub(text, 1, 1) == '=' then
  local length, behind
  bits, billed, order, length, behind = string.match(text, '^=(%d+) (%d+) (%d+) (%d+):()')
  bits, billed, order, start = tonumber(bits), tonumber(billed), tonumber(order), behind + tonumber(length)
  place = string.sub(text, behind, start - 1)
end

local joined, gone = tonumber(ARGV[10]), {}
for i = 11 + joined, #ARGV do gone[ARGV[i]] = true end
local names, has = {}, {}
while start <= #text do
  local colon = string.find(text, ':', start, true)
  local last = colon + tonumber(string.sub(text, start, colon - 1))
  local name = string.sub(text, colon + 1, last)
  if not gone[name] then names[#names + 1] = name; has[name] = true end
  start = last + 1
end
if (ARGV[9] ~= '0' and #names > 0 and not has[ARGV[11]]) or (ARGV[9] == '2' and has[ARGV[11]] and order > 0) then
  return {bits, billed, order, place, '', #names, order > 0 and 1 or 0, 1}
end
if #names == 0 then bits, billed, order, place = 0, 0, 0, '' end -- nothing is left of it: forget the rest
for i = 11, 10 + joined do
  if not has[ARGV[i]] then names[#names + 1] = ARGV[i]; has[ARGV[i]] = true end
end
if #names > CONVERSATIONS_OF_A_LEG then table.remove(names, 1) end
if #names == 0 then
  call('HDEL', KEYS[1], leg)
  return {0, 0, 0, '', '', 0, 0, 0}
end

local knew, previously, new_order, new_place = order > 0 and 1 or 0, '', tonumber(ARGV[6]), ARGV[7]
if knew == 1 or new_order >= MOVED or ARGV[8] == '1' then
  bits, billed = bit.bor(bits, tonumber(ARGV[4])), math.max(billed, tonumber(ARGV[5]))
  if new_order > order or (new_order == order and bytes_before(place, new_place)) then
    if place ~= new_place then previously = place end
    order, place = new_order, new_place
  end
end
local packed = {}
if order > 0 then packed[1] = string.format('=%d %d %.0f %d:', bits, billed, order, #place) .. place end
for _, name in ipairs(names) do packed[#packed + 1] = #name .. ':' .. name end
packed = table.concat(packed)
if packed ~= text then call('HSET', KEYS[1], leg, packed) end
return {bits, billed, order, place, previously, #names, knew, 0}
