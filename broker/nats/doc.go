// Package nats is the broker of many nodes over NATS with JetStream, nats-server 2.9 or later: one server, a cluster of them, or those that
// package embedded runs inside the nodes.
//
//	b, err := nats.New(nats.Options{URL: "nats://localhost:4222"})
//	h, err := hub.New(hub.Options{Broker: b})
//
// # How it works
//
// All channels are subjects of one stream. Who publishes numbers the publication after what it knows to be the newest of the channel, and
// has it stored on condition that it still is (Nats-Expected-Last-Subject-Sequence): of several nodes one is first, and the others number
// anew. So offsets count up by one without a leader, in one round trip while one node publishes in a channel. What is
// published there while a message is on its way goes together with the next one. The server repeats what it has stored to the nodes
// that are subscribed, as ordinary NATS messages.
//
// Members are a second stream that holds the newest word of each session. A subscribed node follows it and knows who is in a channel, and
// so all nodes tell the same events with the same counts. A third stream holds the registry, idempotency keys and small values.
//
// # What it promises
//
// It does what [hub.Broker] and [hub.Cluster] say. Beyond that:
//
//   - A publication whose Publish returned nil is stored on [Options.Replicas] servers. JetStream writes to disk without waiting for the
//     disk (sync_interval, two minutes): a server that is killed loses nothing, a machine that loses power may.
//   - An attempt whose answer was lost is repeated under the same condition, and recognised if it had been stored. Nothing is published
//     twice by that.
//   - A stream that was lost or deleted is made again, and every channel in it gets a new epoch. So does a channel of which a server has less than a
//     subscribed or publishing node has seen. What no node has seen cannot be noticed.
//   - After an outage connections are made again after a random time of at most [Options.MaxPause]; subscriptions are restored; every
//     channel's position is compared; and of those that missed something the sink is told Interrupted.
//   - Publish fails with [hub.Unavailable], or waits up to [Options.PublishWait].
//   - Members of a node that has not been heard of for [Options.Expiry] leave. Who came or went during an outage is told after it.
//
// docs/brokers.md says what NATS cannot do, and what its user must be allowed.
package nats
