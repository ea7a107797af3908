// Package hub is where clients meet. A [Session] is one client, whatever protocol it speaks; it subscribes to channels,
// and a [Publication] in a channel is handed to every session subscribed to it, its publisher included.
//
// The hub knows no protocol. A gateway opens a session for each of its clients, publishes what the client sends, and
// runs a loop that takes what is waiting from the session and writes it to the wire:
//
//	h := hub.New(hub.Options{})
//	s, err := h.Open() // fails when the hub is full or shutting down
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.Subscribe("lobby")
//	h.Publish(&hub.Publication{Channel: "lobby", Payload: []byte("hello")})
//
//	var batch []*hub.Publication
//	for {
//		var ok bool
//		if batch, ok = s.Next(batch); !ok {
//			return context.Cause(s.Context()) // why the session ended
//		}
//		for _, p := range batch {
//			write(p.Payload)
//		}
//	}
//
// # What it promises
//
// Every session of a channel is handed the same publications in the same order.
//
// What a session has not yet taken waits in its outbox, which is bounded in count and in bytes; a session whose outbox
// overflows is ended with [ErrSlow]. Payloads are shared by all the outboxes that hold them. A slow session never stops the
// others: Publish slows a burst down to what readers can take, but waits for a session that does not keep up for a tenth of
// a second at most, and then no more until it has caught up.
//
// A channel exists while somebody is subscribed to it. There is nothing to create and nothing to clean up.
//
// Everything here may be called from any goroutine, except that [Session.Next] belongs to one.
package hub
