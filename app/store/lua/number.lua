-- app/store/lua/number.lua: number the next action on a leg or a conversation; a move only if no other one is pending.
--
-- KEYS[1]  control of the leg (hash): s the latest number, m "<ms> <action>" the move that was not confirmed yet
-- ARGV     1-2 see common.lua; 3 the action, if it is a move, else empty; 4 a move that has ended, empty if none;
--          5 ms after which a move that nobody knows of is forgotten: who requested it died before it was kept
-- Returns  {number, 0 if another move is pending; that move}

local now = call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[3] ~= '' then
  local since, pending = string.match(call('HGET', KEYS[1], 'm') or '', '^(%d+) (.+)$')
  if pending and pending ~= ARGV[3] and pending ~= ARGV[4] and ms - since < tonumber(ARGV[5]) then
    return {0, pending}
  end
  call('HSET', KEYS[1], 'm', string.format('%.0f', ms) .. ' ' .. ARGV[3])
end
local number = call('HINCRBY', KEYS[1], 's', 1)
call('PEXPIRE', KEYS[1], TTL)
return {number, ''}
