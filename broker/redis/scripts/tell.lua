-- Publishes to a node. It is a script so that in a cluster it goes to the server of the key, and messages of one node stay in order.
-- KEYS: the registry. ARGV: 1 Pub/Sub channel, 2 PUBLISH or SPUBLISH, 3 message.
return redis.call(ARGV[2], ARGV[1], ARGV[3])
