-- Lets some members of a dead node leave, and forgets the node when none is left.
-- KEYS: the registry, the node's announcement. ARGV: 1 node, 2 after how many milliseconds it is dead, 0 if it says so itself, 3 prefix of the
-- nodes' sets, 4 of members, 5 of users, 6 of Pub/Sub channels, 7 PUBLISH or SPUBLISH.
-- The answer is 1 if there are more.
local node, heard = ARGV[1], redis.call('HGET', KEYS[1], ARGV[1])
if heard and math.floor(clock() / 1000) - tonumber(heard) <= tonumber(ARGV[2]) and ARGV[2] ~= '0' then return 0 end -- it is back
local set = ARGV[3] .. node
for _, e in ipairs(redis.call('SPOP', set, 100)) do
  local length, rest = string.match(e, '^(%d+) (.*)$')
  local session, name = string.sub(rest, 1, tonumber(length)), string.sub(rest, tonumber(length) + 1)
  leave({members = ARGV[4] .. name, users = ARGV[5] .. name, channel = ARGV[6] .. name, command = ARGV[7], name = name, owners = ARGV[3]},
    session, node)
end
if redis.call('SCARD', set) > 0 then return 1 end
redis.call('HDEL', KEYS[1], node)
redis.call('HDEL', KEYS[2], node)
return 0
