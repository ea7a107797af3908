-- Reads what is kept of a channel.
-- KEYS: numbering, list.
-- ARGV: 1 an epoch for a new numbering, 2 how many milliseconds the numbering is kept, 0 if it need not be, 3 after which offset,
-- 4 the number 1 for the newest, 5 at most how many, 6 how many of the channel's count, 7 for how many milliseconds each does.
-- The answer is the channel's position and newest time, the offset before the oldest that counts, and the publications.
local meta, list = KEYS[1], KEYS[2]
local us, n, ttl = clock(), numbering(meta), tonumber(ARGV[2])
if not n.e then
  if ttl == 0 then return {ARGV[1] .. ' 0 0 ', '0'} end
  begin(n, meta, list, ARGV[1])
end
if ttl > 0 then touch(n, meta, list, us, ttl) end

local length = n.h and redis.call('LLEN', list) or 0
local base = n.o - length -- the offset before the oldest that is there
local before = math.max(base, n.o - tonumber(ARGV[6]))
local age = tonumber(ARGV[7])
if age > 0 then
  local function old(offset) return us - (written(list, offset - base - 1) or 0) >= age * 1000 end
  if before < n.o and old(before + 1) then
    local high = n.o + 1 -- nothing before here is known to be young
    before = before + 1
    while high - before > 1 do
      local middle = math.floor((before + high) / 2)
      if old(middle) then before = middle else high = middle end
    end
  end
end
local after, limit = tonumber(ARGV[3]), tonumber(ARGV[5])
local from, to
if ARGV[4] == '1' then
  from, to = math.max(before, n.o - limit), n.o
else
  from = math.max(before, after)
  to = math.min(from + limit, n.o)
end
local answer = {n.e .. ' ' .. text(n.o) .. ' ' .. text(n.t) .. ' ', text(before)}
if from < to then
  for _, entry in ipairs(redis.call('LRANGE', list, from - base, to - base - 1)) do answer[#answer + 1] = entry end
end
return answer
