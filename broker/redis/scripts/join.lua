-- Adds a session to a channel.
-- KEYS: members, users. ARGV: 1 Pub/Sub channel, 2 PUBLISH or SPUBLISH, 3 the channel's name, 4 prefix of the nodes' sets, 5 session,
-- 6 node, 7 user, 8 what is told of the member, 9 the number 1 if nobody is told.
local k = {members = KEYS[1], users = KEYS[2], channel = ARGV[1], command = ARGV[2], name = ARGV[3], owners = ARGV[4]}
local session, node, user, member = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local before = redis.call('HGET', k.members, session)
local value = node .. ' ' .. #user .. ' ' .. user .. member
if before then
  local owner, same = split(before)
  if same == user then
    redis.call('HSET', k.members, session, value)
    redis.call('SREM', k.owners .. owner, entry(k, session))
    redis.call('SADD', k.owners .. node, entry(k, session))
    return 0
  end
  leave(k, session)
end
redis.call('HSET', k.members, session, value)
redis.call('SADD', k.owners .. node, entry(k, session))
local now = redis.call('HINCRBY', k.users, user, 1)
if (user == '' or now == 1) and ARGV[9] ~= '1' then tell(k, '+', member) end
return 1
