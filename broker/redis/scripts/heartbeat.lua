-- Notes that a node lives. KEYS: the registry. ARGV: 1 node, 2 after how many milliseconds one is dead, 3 an identity for a new registry.
-- The answer is the registry's identity, whether the node was in it, and the nodes that are dead.
local now = math.floor(clock() / 1000)
redis.call('HSETNX', KEYS[1], '', ARGV[3])
local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], text(now))
local all, answer = redis.call('HGETALL', KEYS[1]), {'', known}
for i = 1, #all, 2 do
  if all[i] == '' then
    answer[1] = all[i + 1]
  elseif tonumber(all[i + 1]) > now then -- by a clock that was ahead: its node has from now on to be heard
    redis.call('HSET', KEYS[1], all[i], text(now))
  elseif now - tonumber(all[i + 1]) > tonumber(ARGV[2]) then
    answer[#answer + 1] = all[i]
  end
end
return answer
