// Package engineio is a server of Engine.IO, protocol revision 4: one ordered session of messages over long polling, over a
// WebSocket, or over the one and then the other. It knows nothing of Socket.IO, which is one of its users.
//
//	server, err := engineio.New(engineio.Handler{
//		Message: func(c *engineio.Conn, binary bool, payload []byte) { c.Send(binary, payload) },
//	}, nil)
//	if err != nil {
//		return err
//	}
//	http.Handle("/engine.io/", server)
//	http.Handle("/engine.io", server) // for clients with addTrailingSlash: false
//
// # The handler
//
// For each session Open, Message and Close are called in order, one at a time, whatever transports the session uses. They are
// called on an event loop or on the goroutine of an HTTP request and must not wait; what takes long goes to [Conn.Go].
//
// # Sending
//
// Sending never waits for the network. [Conn.Send] copies a message, [Conn.SendPrepared] sends one that many sessions share. Messages
// leave in the order in which they were sent, also across an upgrade: one lock of the session decides for each packet whether it goes
// into the answer of a GET or over the WebSocket. What may wait is bounded; a client that reads more slowly is cut, and comes back.
//
// # Memory
//
// An idle session holds no goroutine: a WebSocket lies on the event loop (package loop), and of a polling session nothing is there but the
// client's waiting GET, which is the HTTP server's. Heartbeats take no timer of their own.
package engineio
