-- What the other scripts share. Go puts it in front of each.

-- text writes a whole number below 2^53, which tostring would round.
local function text(n) return string.format('%.0f', n) end

-- clock is the server's, in microseconds.
local function clock()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000000 + tonumber(now[2])
end

-- numbering reads what is known of a channel: e its epoch or false, o the offset and t the time of the newest publication, x when
-- its keys expire, in milliseconds, h whether there may be a list of publications.
local function numbering(meta)
  local m = redis.call('HMGET', meta, 'e', 'o', 't', 'x', 'h')
  return {e = m[1], o = tonumber(m[2] or 0), t = tonumber(m[3] or 0), x = tonumber(m[4] or 0), h = m[5]}
end

-- begin starts a new numbering in place of what n was. There may be a list although nothing is known of it, if the server was told to evict.
-- What needs memory comes first: a server that is full refuses nothing any more once a script has written.
local function begin(n, meta, list, epoch)
  n.e, n.o = epoch, 0
  redis.call('HSET', meta, 'e', epoch, 'o', '0', 't', text(n.t))
  redis.call('DEL', list)
  if n.h then
    redis.call('HDEL', meta, 'h')
    n.h = false
  end
end

-- touch lets the keys live for at least ttl milliseconds from now on. It writes once in a while only.
local function touch(n, meta, list, us, ttl)
  local due = math.floor(us / 1000) + ttl
  if n.x >= due then return end
  n.x = due + math.floor(ttl / 4)
  redis.call('HSET', meta, 'x', text(n.x))
  redis.call('PEXPIREAT', meta, text(n.x))
  if n.h then redis.call('PEXPIREAT', list, text(n.x)) end
end

-- back tells whether the server has forgotten the newest publications that a node has seen: it was restored, or took over, from a
-- copy that was not up to date. Its offsets would then be given twice.
local function back(n, epoch, offset, time)
  if n.e ~= epoch then return false end
  return n.o < offset or n.o == offset and n.t ~= time
end

-- written is the time of a publication in the list, in microseconds.
local function written(list, index)
  local entry = redis.call('LINDEX', list, index)
  return entry and tonumber(string.match(entry, '^P%S+ %d+ (%d+) '))
end
