-- Tells where channels are. One that has no numbering gets one, and so does one that has fallen behind what the node has seen.
-- KEYS: numbering and list of each channel.
-- ARGV: of each channel an epoch for a new numbering, how many milliseconds the numbering is kept, epoch, offset and time of the newest
-- publication that the node has seen, and 1 if its numbering is known to be given twice.
-- The answer holds of each channel its position, and the time of its newest publication.
local us, answers = clock(), {}
for i = 1, #KEYS / 2 do
  local meta, list, a = KEYS[2 * i - 1], KEYS[2 * i], 6 * (i - 1)
  local epoch, offset, time = ARGV[a + 3], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  local n = numbering(meta)
  local renew = not n.e or back(n, epoch, offset, time) or n.e == epoch and ARGV[a + 6] == '1'
  if not renew and n.h and n.e == epoch and n.o > offset and offset > 0 then
    local other = written(list, offset - n.o - 1)
    renew = other and other ~= time
  end
  if renew then begin(n, meta, list, ARGV[a + 1]) end
  touch(n, meta, list, us, tonumber(ARGV[a + 2]))
  answers[i] = n.e .. ' ' .. text(n.o) .. ' ' .. text(n.t) .. ' '
end
return answers
