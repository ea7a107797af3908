// A socket: one client in one namespace. It is a session of the hub, whose receiver it is.

package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Why a socket was disconnected where it was not the connection's end, in the words of the field.
const (
	clientDisconnect = "client namespace disconnect"
	serverDisconnect = "server namespace disconnect"
)

// Socket is a client in a namespace. All its methods may be called from any goroutine; its handlers are called one at a time, in the order in which
// the client sent, and may wait.
type Socket struct {
	conn      *conn
	nsp       string
	namespace *Namespace // set before the program knows the socket
	id        string
	auth      string // JSON; "" is none
	session   atomic.Pointer[hub.Session]
	tasks     tasks
	recovered atomic.Bool
	connected atomic.Bool // the client knows, and has not gone
	pace      pace

	mu       sync.Mutex // guards what follows; the hub calls with the lock of a channel, so the hub is not called with it
	over     bool       // the client has gone
	reason   string
	rooms    []string // channels
	acks     map[uint64]*call
	data     map[string]any
	handlers []handler // in the order in which they were registered; replaced, never changed
	life     *lifetime // nil until somebody asks for the context
	*memory            // nil without recovery
}

// lifetime is a context that ends with its socket.
type lifetime struct {
	context.Context
	cancel context.CancelFunc
}

// memory is what a socket has with recovery.
type memory struct {
	pid      string
	user     string // whose it is
	trail    trail
	missed   []replay      // not sent again yet; for the socket's tasks
	tries    tries         // to come back; likewise
	claimed  *away         // what the socket goes on from, while it is on its way; guarded by the keeper's lock
	moved    bool          // the keeper has what is kept of it
	had      []uint64      // see away
	left     bool          // finished is closed; for the socket's tasks
	finished chan struct{} // closed when it is over and the hub does not know it any more
}

// leave lets in who takes the socket over.
func (m *memory) leave() {
	if !m.left {
		m.left = true
		close(m.finished)
	}
}

// ID is the socket's public id: that of its session in the hub. It is new for each connection and namespace, unless the client has recovered.
func (s *Socket) ID() string { return s.id }

// Namespace is where the socket is.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Session is the socket's session in the hub.
func (s *Socket) Session() *hub.Session { return s.session.Load() }

// User is whose socket it is, or "".
func (s *Socket) User() string { return s.Session().User() }

// Handshake is the request that opened the connection. It is not to be changed.
func (s *Socket) Handshake() *engineio.Handshake { return s.conn.engine.Handshake() }

// Allowed is what Options.Engine.Allow has returned for the connection.
func (s *Socket) Allowed() any { return s.Handshake().Allowed }

// Auth is the object that the client sent with CONNECT, or nil. It is copied at each call.
func (s *Socket) Auth() json.RawMessage {
	if s.auth == "" {
		return nil
	}
	return json.RawMessage(s.auth)
}

// Recovered tells whether the client was here before and has lost nothing.
func (s *Socket) Recovered() bool { return s.recovered.Load() }

// Connected tells whether the client is there, as far as is known.
func (s *Socket) Connected() bool { return s.connected.Load() }

// Transport is "polling" or "websocket".
func (s *Socket) Transport() string { return s.conn.engine.Transport() }

// Set keeps a value with the socket, or takes it away if it is nil; a client that recovers has it again. To be saved, it must be JSON.
func (s *Socket) Set(key string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value == nil {
		delete(s.data, key)
		return
	}
	if s.data == nil {
		s.data = make(map[string]any)
	}
	s.data[key] = value
}

// Get is the value of a key, or nil.
func (s *Socket) Get(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[key]
}

// Context ends when the client has gone.
func (s *Socket) Context() context.Context {
	if s == nil { // for what another node emits
		return context.Background()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		ctx, cancel := context.WithCancel(s.conn.server.ctx)
		s.life = &lifetime{ctx, cancel}
		if s.over {
			cancel()
		}
	}
	return s.life.Context
}

// Join has the socket enter rooms; those where it is already do not matter. The error is an [*hub.Error]: a bad name, which that of another
// socket's own room is, too, or too many rooms (hub.Options.MaxSubscriptions).
func (s *Socket) Join(rooms ...string) error {
	for _, room := range rooms {
		if room == s.id {
			continue
		}
		if err := s.namespace.checkShared(room); err != nil {
			return err
		}
		if err := s.enter(channelOf(s.nsp, room), hub.SubscribeOptions{Forced: true}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) enter(channel string, o hub.SubscribeOptions) error {
	err := s.Session().Subscribe(s.conn.server.ctx, channel, o)
	if e, ok := errors.AsType[*hub.Error](err); ok && e.Code == hub.AlreadySubscribed {
		return nil
	}
	return err
}

// Leave has the socket leave a room; where it is not does not matter.
func (s *Socket) Leave(room string) {
	channel := channelOf(s.nsp, room)
	if s.namespace.checkRoom(room) != nil || s.Session().Unsubscribe(channel) != nil {
		return
	}
	s.left(channel)
}

// Rooms are those that the socket is in, its own first, which has its id for a name.
func (s *Socket) Rooms() []string {
	rooms := []string{s.id}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, channel := range s.rooms {
		if channel != s.namespace.every {
			rooms = append(rooms, s.namespace.roomOf(channel))
		}
	}
	return rooms
}

// Emit sends an event to this client. What is sent to one that has gone is lost, unless it recovers. The error tells what cannot be sent, or is
// [ErrDisconnected].
//
// If the last argument is a function, the client is asked for an answer, and the function is called with it, like a handler and in turn with the socket's handlers: it takes what
// the client answers, as that of [Socket.On] does, and perhaps an error behind it, which is one of [Socket.EmitWithAck] if no answer has come within Options.AckTimeout. Without
// that it is called only with an answer.
//
//	s.Emit("question", 7, func(answer string, err error) { … })
//
// Such an event is not kept for a client that recovers.
func (s *Socket) Emit(event string, args ...any) error {
	if fn, ok := callback(args); ok {
		return s.emitAsking(event, args[:len(args)-1], fn)
	}
	return s.emit(event, args, false)
}

// EmitVolatile is Emit, but if much waits for the client already, or it has gone, the event is dropped.
func (s *Socket) EmitVolatile(event string, args ...any) error { return s.emit(event, args, true) }

func (s *Socket) emit(event string, args []any, volatile bool) error {
	if err := checkEvent(event); err != nil {
		return err
	}
	e, err := encode(args, s.namespace.server.limits.Attachments)
	if err != nil {
		return err
	}
	if volatile && !s.conn.engine.Writable() {
		return nil
	}
	return s.deliver(s.namespace.marked(event, e), nil, volatile)
}

// marked makes an event that is no publication. With recovery it has an offset, by which it is found in trails.
func (n *Namespace) marked(event string, e arguments) *ownEvent {
	mark := uint64(0)
	if n.server.keeper != nil {
		mark = n.server.marks.Add(1)
	}
	return n.markedAs(mark, event, e)
}

// markedAs is marked with a mark that another node has given, or 0 without recovery.
func (n *Namespace) markedAs(mark uint64, event string, e arguments) *ownEvent {
	own := &ownEvent{mark: mark, attachments: e.attachments, time: time.Now()}
	last := ""
	if mark != 0 {
		last = markText(mark)
	}
	own.text = packetText(packet.Event, n.name, event, 0, false, e, last)
	return own
}

// deliver sends an event to the socket, or keeps it for when its client comes back. m is the event made ready for many sockets, or nil.
func (s *Socket) deliver(e *ownEvent, m *engineio.Message, volatile bool) error {
	if s.memory == nil {
		if !s.connected.Load() {
			return ErrDisconnected
		}
		if _, err := s.conn.send(e, m); err != nil {
			return ErrDisconnected
		}
		return nil
	}
	s.mu.Lock()
	moved, err := s.deliverHere(e, m, volatile)
	s.mu.Unlock()
	if !moved || s.conn.server.keeper.deliver(s.id, s.nsp, e) {
		return err
	}
	if now := s.namespace.Socket(s.id); now != nil && now != s { // it is back
		return now.deliver(e, m, volatile)
	}
	return ErrDisconnected
}

// deliverHere is deliver with recovery and with the lock, unless what is kept of the socket is the keeper's already.
func (s *Socket) deliverHere(e *ownEvent, m *engineio.Message, volatile bool) (moved bool, err error) {
	if !s.over {
		if seq, err := s.conn.send(e, m); err == nil {
			if s.trail.sent(e, !volatile, seq) {
				s.trail.trim(s.conn.engine.Confirmed())
			}
			return false, nil
		}
	}
	switch {
	case volatile:
		return false, nil
	case s.over && !recoverable(s.reason):
		return false, ErrDisconnected
	case s.moved:
		return true, nil
	}
	s.trail.sent(e, true, never)
	s.trail.trim(0)
	return false, nil
}

// never is the number of a message that was not sent.
const never = 1<<64 - 1

// EmitWithAck sends an event to this client and waits for its answer, for as long as ctx allows; where that has no deadline, for Options.AckTimeout.
// The error is [ErrTimeout], [ErrDisconnected] or [ErrTooManyAcks], or tells what cannot be sent.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	e, err := s.namespace.encoded(event, args)
	if err != nil {
		return Args{}, err
	}
	ctx, cancel := s.conn.server.bounded(ctx, 0)
	defer cancel()
	return s.namespace.put([]*Socket{s}, event, e).only(ctx)
}

// Broadcast addresses all other sockets of the namespace.
func (s *Socket) Broadcast() Broadcast { return Broadcast{namespace: s.namespace, from: s} }

// To addresses the other sockets in any of some rooms; see [Broadcast.To].
func (s *Socket) To(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// In is To.
func (s *Socket) In(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// Except leaves out the sockets in any of some rooms; see [Broadcast.Except].
func (s *Socket) Except(rooms ...string) Broadcast { return s.Broadcast().Except(rooms...) }

// Disconnect ends the socket, and with close those of the client in all other namespaces and the connection, too. The client does not come
// back by itself; see [Socket.Reconnect].
func (s *Socket) Disconnect(close bool) {
	if close {
		for _, other := range s.conn.all() {
			other.Disconnect(false)
		}
		s.conn.engine.Close(engineio.ForcedClose)
		return
	}
	if s.conn.forget(s) {
		s.conn.write(packet.Append(nil, &packet.Packet{Type: packet.Disconnect, Namespace: s.nsp}), nil)
		s.end(serverDisconnect)
	}
}

// Reconnect ends the client's connection, with all namespaces, so that it comes back by itself: perhaps to another node. With recovery it goes
// on where it was.
func (s *Socket) Reconnect() { s.conn.engine.Close(engineio.ForcedClose) }

func checkEvent(event string) error {
	if packet.Reserved(event) {
		return hub.Errorf(hub.BadRequest, "the event cannot be called %q, which clients and servers use for themselves; choose another name", event)
	}
	return nil
}
