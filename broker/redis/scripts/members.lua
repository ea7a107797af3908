-- What the scripts about presence share. A member is kept as its node, the length of its user, its user, and what is told of it; each
-- node has a set of its members' sessions and channels.

local function counts(members, users)
  local sessions, named = redis.call('HLEN', members), redis.call('HLEN', users)
  local nameless = redis.call('HGET', users, '')
  if nameless then named = named - 1 + tonumber(nameless) end
  return sessions, named
end

-- tell publishes that somebody has come or gone.
local function tell(k, sign, member)
  local sessions, users = counts(k.members, k.users)
  redis.call(k.command, k.channel, 'M' .. sign .. ' ' .. text(sessions) .. ' ' .. text(users) .. ' ' .. member)
end

local function entry(k, session) return #session .. ' ' .. session .. k.name end

local function split(value)
  local owner, length, rest = string.match(value, '^(%S+) (%d+) (.*)$')
  length = tonumber(length)
  return owner, string.sub(rest, 1, length), string.sub(rest, length + 1)
end

-- leave takes a session out, if it is in and, if a node is given, of that node.
local function leave(k, session, node)
  local value = redis.call('HGET', k.members, session)
  if not value then return end
  local owner, user, member = split(value)
  if node and owner ~= node then return end
  redis.call('HDEL', k.members, session)
  redis.call('SREM', k.owners .. owner, entry(k, session))
  local left = redis.call('HINCRBY', k.users, user, -1)
  if left <= 0 then redis.call('HDEL', k.users, user) end
  if user == '' or left <= 0 then tell(k, '-', member) end
end
