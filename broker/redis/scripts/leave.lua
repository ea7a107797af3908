-- Takes a session out of a channel. KEYS and the first five ARGV are those of join.lua.
leave({members = KEYS[1], users = KEYS[2], channel = ARGV[1], command = ARGV[2], name = ARGV[3], owners = ARGV[4]}, ARGV[5])
return 0
