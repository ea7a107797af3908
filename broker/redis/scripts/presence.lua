-- Tells who is in a channel. KEYS: members, users. ARGV: 1 if members are asked for.
-- The answer is how many sessions and users there are, and the members.
local sessions, users = counts(KEYS[1], KEYS[2])
local answer = {sessions, users}
if ARGV[1] == '1' then
  for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
    local _, _, member = split(value)
    answer[#answer + 1] = member
  end
end
return answer
