// Package socketio serves the clients of Socket.IO (protocol revision 5: the official clients from version 3 on) with an API as short as
// that of the Node server.
//
//	io, err := socketio.New(h, socketio.Options{})
//	if err != nil {
//		return err
//	}
//	io.OnConnection(func(s *socketio.Socket) {
//		s.On("join-room", func(room string) error { return s.Join(room) })
//		s.On("chat-message", func(m Chat, ack socketio.Ack) {
//			s.To(m.Room).Emit("new-message", m)
//			ack.Send("ok")
//		})
//	})
//	mux.Handle("/socket.io/", io)
//	mux.Handle("/socket.io", io) // for clients with addTrailingSlash: false
//
// # Sockets are sessions, rooms are channels
//
// A [Socket] is a session of the hub, and its id the session's. A room of the namespace "/" is the channel of the same name, so that what
// is emitted to it reaches the subscribers of every other protocol, and what those publish there comes to Socket.IO clients as an event: under its
// event name, or "message". A room of another namespace "/ns" is the channel "/ns,room", and all sockets of a namespace are in
// the channel "/ns,". Rules hold in them as in any channel: how large payloads are, what is kept, what happens to slow clients,
// and whether clients of other protocols may subscribe, which by default they may. What the program does for a socket is not asked for rights:
// Join and Emit are the server's own doing.
//
// A single argument is published as the text, the bytes or the JSON value that it is. Several are a JSON array, with [hub.Spread]. Bytes within
// JSON are [Bytes], published as {"base64":"…"} with [hub.Embedded].
//
// # Handlers
//
// Handlers are functions with the arguments that they want; see [Socket.On]. Those of one socket are called one after the other, in the order of
// the client's events, on a goroutine that is there while there is something to do. They may wait, also for [Socket.EmitWithAck].
//
// # Recovery
//
// With Options.Recovery a client that was away gets back its id, its rooms, its data and all that it missed, in the order in which that was
// sent, read from the channels' history: also when its old connection has not been noticed to be dead, when it had got no event yet, and, by
// [Server.Save] and [Server.Load], over a restart. Whatever of it cannot be had makes it a new socket. Events then have one more argument, a
// string, at their end, as with the Node server. Channels that keep no history are not recovered, and no client that is in one of them.
//
// # Many nodes
//
// With a broker between nodes, what is emitted to rooms reaches them all. For the rest give Options.Cluster a Line of package server/cluster: then
// [Broadcast.FetchSockets], [Broadcast.SocketsJoin], [Broadcast.SocketsLeave], [Broadcast.DisconnectSockets], [Broadcast.EmitWithAck] and
// [Namespace.ServerSideEmitWithAck] cover all nodes. They wait for these within a bound; the error that some have not answered is an [*Incomplete], beside which is
// returned what came. What is emitted to the id of a socket is told to all nodes, and, like everything between them, at most once.
//
// Clients recover on any node. The one that they left hands over what it has: the trail of what it sent, data, rooms, and what was emitted to the socket's id since; if it has
// not noticed that the client has gone, it ends the old connection first. Recovery.Store has what is needed when that node has been stopped since. When it is killed under its
// clients they begin anew: how far each had got in each room only that node knew.
//
// # Bounds
//
// Namespaces of a connection, rooms of a socket (those of the hub's subscriptions), events and acknowledgements that wait, attachments, auth, and
// what is kept for recovery are bounded, see [Options]. A client that breaks the protocol is disconnected with "parse error", and nobody else is.
// A connection is read no further while too much of what it sent waits for handlers, and handles no more events while the client does not read the
// answers; but one handler that emits more at once than Options.Engine.OutboxBytes has its client cut.
//
// # Errors
//
// What a handler returns is told to a client that asks for an acknowledgement, as {"error":…,"code":…,"data":…}, if it is an [*hub.Error] or a [*Refusal];
// of other errors, which may hold what is nobody's business, clients are told only that it could not be done. The log has them all.
//
// Everything here may be called from any goroutine.
package socketio
