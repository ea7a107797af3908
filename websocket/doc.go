// Package websocket speaks the WebSocket protocol (RFC 6455) with compression (RFC 7692), as a server and as a client.
//
// A server answers a request with [Handler], or with [Accept] within a handler of its own:
//
//	http.Handle("/chat", websocket.Handler(func(c *websocket.Conn) {
//		for m, err := range c.Messages(context.Background()) {
//			if err != nil {
//				return
//			}
//			c.Write(context.Background(), m.Type, m.Data)
//		}
//	}, nil))
//
// A client calls [Dial]:
//
//	c, _, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//	if err != nil {
//		return err
//	}
//	defer c.CloseNow()
//	err = c.Write(ctx, websocket.Text, []byte("hello"))
//	…
//	c.Close(websocket.StatusNormalClosure, "")
//
// # Reading and writing
//
// Whole messages: [Conn.Read] returns one, [Conn.ReadInto] reads one into the caller's buffer, and [Conn.Messages] lends
// each one to a loop, at the least cost. Streams: [Conn.Reader] and [Conn.Writer], for messages larger than one wants to
// hold. One goroutine at a time reads; any number write.
//
// What goes to many connections is made ready once, with [Prepare], and written with [Conn.WritePrepared]. What answers a
// burst can leave in one system call, with [Conn.Cork] or the option CorkBursts.
//
// JSON messages have helpers in the package wsjson, and [NetConn] makes a connection a [net.Conn].
//
// # Contexts
//
// A context that ends interrupts the call that it was given to. An interrupted read harms nothing: reading may go on with
// another context and misses no byte. An interrupted write harms nothing either if not a byte had left; otherwise the
// connection is dropped, because half a message cannot be taken back ([Conn.Write] has the particulars).
//
// # Endings
//
// A read returns an error that is not its context's exactly when the connection has ended: [*CloseError] when the peer has
// closed it, [*ProtocolError] when the peer broke the protocol or a limit (it was sent a Close frame that says so),
// [ErrClosed], [ErrKeepAlive], [ErrWriteTimeout], or an error of the network. Close frames are answered by the reads, as
// pings are, so somebody must be reading; a program that only writes calls [Conn.CloseRead].
//
// # Safety
//
// The zero value of every option is safe for a server that faces the public: pages of foreign origins are refused, and
// bounds hold for the size of the request's header, of messages on the wire and inflated, for the number of a message's
// frames and of control frames, for the time of an unfinished message and of a stuck write. Peers that have gone silently
// are found by keep-alive pings. The time of the handshake is for the http.Server to bound: set its ReadHeaderTimeout.
//
// # Memory
//
// Buffers belong to pools that all connections share, and are borrowed while bytes are on their way. An idle connection of
// [Handler] over plain TCP holds its goroutine, on a small stack, and about a kilobyte besides. A message takes memory as
// its bytes arrive, whatever length its header announces.
package websocket
