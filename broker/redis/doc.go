// Package redis is the broker of many nodes over Redis 6.2 or later, or Valkey: one server, several of them that share the channels, a
// cluster, or a master watched by sentinels.
//
//	b, err := redis.New(redis.Options{URL: "redis://localhost:6379"})
//	h, err := hub.New(hub.Options{Broker: b})
//
// # How it works
//
// What belongs to a channel is numbered, kept and published by one script, so Redis puts all publications of a channel in one
// order, and every node hears them in it: over one connection per server (in a cluster, per partition), by a queue that keeps the
// order of each channel. Commands of all goroutines share a few connections and are pipelined.
//
// Channels are dealt out over the servers by rendezvous hashing. In a cluster they are dealt out over 64 partitions, each a hash tag
// and so a slot; sharded Pub/Sub is used where the server has it.
//
// # What it promises
//
// It does what [hub.Broker] and [hub.Cluster] say. Beyond that:
//
//   - A publication whose Publish returned nil is numbered and kept as far as the server keeps what it acknowledged: a server
//     without appendfsync always may lose the last second when it is killed, and a failover what was not replicated.
//   - Offsets are never given twice in one epoch, as far as any node knows: a server that comes back with less than a subscribed or
//     publishing node has seen gets a new epoch for the channel, and the hub is told. What nobody subscribed to knew of, and no
//     history shows, cannot be noticed.
//   - After an outage connections are made again after a random time of at most [Options.MaxPause]; subscriptions are restored; every channel's
//     position is compared; and of those that missed something the sink is told Interrupted.
//   - Publish fails with [hub.Unavailable], or waits up to [Options.PublishWait]. It then tries again without
//     publishing twice.
//   - Members of a node that has not been heard of for [Options.Expiry] leave. Events of presence that a node missed during an outage
//     are not told later; each event carries the counts.
//
// docs/brokers.md says which keys are used, how to size the server, and what its user must be allowed.
package redis
