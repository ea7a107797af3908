// Package loop drives very many WebSocket connections on a few event loops. On Linux an idle connection holds neither a
// goroutine nor a buffer: some 350 bytes. Elsewhere, and for what the loop cannot take over, each connection has goroutines
// of its own, behind the same API and with the same behaviour.
//
//	server, err := loop.New(loop.Handler{
//		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
//			c.Write(typ, payload)
//		},
//	}, nil)
//	if err != nil {
//		return err
//	}
//	http.Handle("/echo", server)
//
// # The handler
//
// For each connection Open, Message and Close are called in order, one at a time, on the loop that the connection belongs
// to; connections of different loops are served at the same time. A handler that blocks holds up every connection of its
// loop: what takes long goes to [Conn.Go], which keeps the connection's order. A loop that is held for longer than
// Options.SlowHandler is logged. A payload is lent for the call.
//
// # Writing
//
// Writing never waits for the network. [Conn.Write] copies the message into the connection's outbox, and
// [Conn.WritePrepared] puts a message there that many connections share; both may be called from any goroutine. What has
// gathered leaves in one system call when the loop has served everybody who was ready. The outbox is bounded in bytes and in
// time, and [Policy] says what happens when the peer is slower than that: it is cut with 1013, loses the oldest, or gets the
// newest of each key. [Handler].Dropped tells of what was not written. Who can hold back what a slow peer is to get, as it has
// it elsewhere, asks [Conn.Waiting] and is told by [Conn.NotifyDrained] when to go on.
//
// # Endings
//
// Limits, keep-alive, the closing handshake and the errors are those of package websocket. Time is coarse: 100 ms.
//
// # Wrapped connections
//
// The loop takes TCP and Unix connections over, and TLS of [NewTLSListener]. A listener may wrap them if its connections say, by
// a method Socket() net.Conn, that by now they leave what passes as it is: the loop goes on with what Socket returns, closes the
// wrapper, and [Conn.RemoteAddr] stays what the wrapper said. Other wrappers keep goroutines.
//
// # Streams
//
// [Server.Stream] takes an HTTP/1.1 response without an end over, for Server-Sent Events: written with [Conn.Send], with the
// same outbox, policies and memory as a WebSocket.
package loop
