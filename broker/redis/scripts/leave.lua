-- Takes a session out of a channel, unless it has come back on another node. KEYS and the first six ARGV are those of join.lua.
leave({members = KEYS[1], users = KEYS[2], channel = ARGV[1], command = ARGV[2], name = ARGV[3], owners = ARGV[4]}, ARGV[5], ARGV[6])
return 0
