// Package hub is where clients meet. A [Session] is one client, whatever protocol it speaks; it subscribes to channels,
// and a [Publication] in a channel is handed to every session subscribed to it, its publisher included.
//
// The hub knows no protocol and no network. What a session is to be told goes to its [Receiver], which a gateway provides;
// numbering, history, presence and the way to other nodes are its [Broker]'s. The example below is a whole program: a hub over
// the broker of a single node, a client, and another one that comes back with its cursor.
//
// A gateway opens a session for each of its clients, publishes what the client sends, tells the session when the client has
// read up ([Session.Ready]), and closes it when the client has gone.
//
// # What it promises
//
// Every session of a channel is handed the same publications in the same order, each once, and none after its end. Offsets
// count up by one: whatever is not handed over is told as a [Gap], in its place and exactly, except in channels that conflate,
// where an older value of a key that is overtaken by a newer one is no loss.
//
// A session that subscribes with a [Cursor] either recovers everything since then, or is told that it did not; never a part.
// What it recovers is read from history as fast as the client reads, so it takes no memory to wait for a slow one.
//
// Publishing never waits for a receiver, and allocates nothing for each of them. What is held back for a receiver that is late is
// bounded by its channel's [Rule]; what waits in the outbox of its connection is the receiver's. A [Receipt] tells the
// publisher how many receivers lag, so that a gateway can let one wait that publishes faster than the others can take.
//
// Deliveries that a broker loses, repeats or sends in another numbering are noticed by their positions, and healed from history
// where that still holds them.
//
// A channel exists while somebody is subscribed to it. There is nothing to create and nothing to clean up. What is kept of it
// beyond that, and how long, is in its rule, and kept by the broker.
//
// Everything here may be called from any goroutine, but not from within the methods of a [Receiver], except its End. Methods that
// take a context may wait for the broker, see [Hub.Remote]; the others wait for nothing.
package hub
