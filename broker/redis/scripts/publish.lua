-- Numbers a publication, keeps it and has it delivered, in one step.
-- KEYS: numbering, list, and the idempotency key if there is one.
-- ARGV: 1 Pub/Sub channel, 2 PUBLISH or SPUBLISH, 3 content, 4 an epoch for a new numbering, 5 how many are kept, 6 for how many
-- milliseconds, 7 how long the numbering is kept, 8 how long the key is, 9 who asks, 10-12 epoch, offset and time of the newest
-- publication that the node has seen.
-- The answer is who asked first, and the position and time of what was published.
if KEYS[3] then
  local earlier = redis.call('GET', KEYS[3])
  if earlier then return earlier end
end
local meta, list = KEYS[1], KEYS[2]
local us, n = clock(), numbering(meta)
if not n.e or back(n, ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])) then
  begin(n, meta, list, ARGV[4])
end
n.o, n.t = n.o + 1, math.max(us, n.t + 1)
local at = n.e .. ' ' .. text(n.o) .. ' ' .. text(n.t) .. ' '
local message = 'P' .. at .. ARGV[3]
redis.call('HSET', meta, 'o', text(n.o), 't', text(n.t))
touch(n, meta, list, us, tonumber(ARGV[7]))

local count = tonumber(ARGV[5])
if count > 0 then
  local kept = redis.call('RPUSH', list, message)
  if kept > count then redis.call('LTRIM', list, -count, -1) end
  if kept == 1 then
    redis.call('HSET', meta, 'h', '1')
    redis.call('PEXPIREAT', list, text(n.x))
  end
  local age = tonumber(ARGV[6])
  if age > 0 and n.o % 8 == 0 then -- what is too old goes at least as fast as something new comes
    local old = 0
    while old < 16 and old < kept - 1 do
      local time = written(list, old)
      if not time or us - time < age * 1000 then break end
      old = old + 1
    end
    if old > 0 then redis.call('LTRIM', list, old, -1) end
  end
elseif n.h then -- there must be no hole before what is kept later
  redis.call('DEL', list)
  redis.call('HDEL', meta, 'h')
end
local answer = ARGV[9] .. ' ' .. at
if KEYS[3] then redis.call('SET', KEYS[3], answer, 'PX', ARGV[8]) end
redis.call(ARGV[2], ARGV[1], message)
return answer
