-- app/store/lua/operate.lua: append entries to the log of an operation, each once.
--
-- KEYS[1]  log of the operation (list)      KEYS[2]  due operations of the partition (sorted set)
-- ARGV     1-2 see common.lua; 3 operation; 4 the length that the log must have, -1: any; 5 in how many ms somebody has
--          to look at it, empty: as it is; 6 how many may be under way; 7 how many entries, then the id of each; then
--          the text of each
-- Returns  {length of the log; 1 if it had the length, 0 if not, -1 if it is new and too many are under way}
--
-- An entry is its id, a line break, and its text: no id has a line break.

local operation, expected, delay, count = ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[7])
local log = call('LRANGE', KEYS[1], 0, -1)
if expected >= 0 and #log ~= expected then return {#log, 0} end
if #log == 0 and delay ~= '' and call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then return {0, -1} end
local seen = {}
for _, entry in ipairs(log) do seen[string.match(entry, '^[^\n]*')] = true end
local length = #log
for i = 1, count do
  local id = ARGV[7 + i]
  if not seen[id] then
    seen[id] = true
    length = call('RPUSH', KEYS[1], id .. '\n' .. ARGV[7 + count + i])
  end
end
call('PEXPIRE', KEYS[1], TTL)
if delay ~= '' then
  local now = call('TIME')
  call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000) + delay, operation)
end
return {length, 1}
