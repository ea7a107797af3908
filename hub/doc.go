// Package hub is where clients meet. A [Session] is one client, whatever protocol it speaks; it subscribes to channels,
// and a [Publication] in a channel is handed to every session subscribed to it, its publisher included.
//
// The hub knows no protocol, and holds nothing back: what a session is to be told goes to its [Receiver], which a gateway
// provides. For a client that is written to by conn.Send, which queues and never waits:
//
//	type client struct{ conn *conn }
//
//	func (c *client) Receive(p *hub.Publication) hub.Reception {
//		if c.conn.Send(p.Payload) != nil {
//			return hub.Refused
//		}
//		return hub.Taken
//	}
//
//	func (c *client) End(cause error) { c.conn.Close(cause.Error()) }
//
// The gateway opens a session for each of its clients, publishes what the client sends, and closes the session when the
// client has gone:
//
//	h := hub.New(hub.Options{})
//	s, err := h.Open(&client{conn}) // fails when the hub is full or shutting down
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.Subscribe("lobby")
//	h.Publish(&hub.Publication{Channel: "lobby", Payload: []byte("hello")})
//
// # What it promises
//
// Every session of a channel is handed the same publications in the same order, and none after its end.
//
// Publishing never waits for a receiver, and allocates nothing for each of them. The outbox in which publications wait for
// a slow client, its bounds, and what happens there, are the receiver's. A [Receipt] tells the publisher how many receivers
// lag, so that a gateway can let one wait that publishes faster than the others can take.
//
// A channel exists while somebody is subscribed to it. There is nothing to create and nothing to clean up.
//
// Everything here may be called from any goroutine, but not from within a [Receiver]'s Receive.
package hub
