// Package rabbitmq is the broker of many nodes over RabbitMQ 3.10 or later, by AMQP 0-9-1.
//
//	b, err := rabbitmq.New(rabbitmq.Options{URL: "amqp://localhost:5672"})
//	h, err := hub.New(hub.Options{Broker: b})
//
// # How it works
//
// RabbitMQ cannot number, look up or decide anything. What it has is streams: logs that put what is written to them in one order, in which
// everybody reads it. So channels are dealt out over four logs, and whatever nodes have to agree on is a record in one of them: a publication,
// a subscription that needs a position, a member who joins, a value that is taken. Every node reads all four logs, computes the same state
// from them, and so gives the same offsets, epochs and answers. A call is done when its own record has come back. What only reads writes a
// record too, shared by all who read at the moment, and looks at the node's own state once that has come back.
//
// The state as a whole, a snapshot, is written into the log now and then, so that a node that starts can do with what RabbitMQ has not dropped
// yet. Messages between nodes do not go through the logs but over an exchange, to a queue of each node.
//
// # What it promises
//
// It does what [hub.Broker] and [hub.Cluster] say. Beyond that:
//
//   - A publication whose Publish returned nil is in the log, on as many of RabbitMQ's nodes as it needs to acknowledge.
//   - After an outage a node goes on reading where it was: what it missed is delivered, in order, and nothing needs to be healed. Only if
//     the log has dropped that meanwhile the sink is told Interrupted.
//   - A log that was deleted, or has come back with less than a connected node has read, is noticed when that node is connected again: all of its
//     channels get a new epoch, and the hub is told.
//   - Publish fails with [hub.Unavailable] when there is no connection or RabbitMQ is short of memory or disk, or waits up to
//     [Options.PublishWait]. What was sent before an outage is sent again after it, and known again.
//   - Members of a node that has not been heard of for [Options.Expiry] leave.
//
// docs/brokers.md says what it costs, what RabbitMQ cannot do, and what its user must be allowed.
package rabbitmq
