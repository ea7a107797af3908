// Namespaces: the static ones, which are named, and families of dynamic ones. Where their sockets and their rooms are in the hub.

package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// Namespace is a part of a server that clients connect to by its name. [Server.Of] makes one; that of "/" is the server's own.
type Namespace struct {
	server *Server
	name   string
	life   *life
	every  string // the channel of all its sockets
	frames hub.Encoding[*engineio.Message]

	users   int  // sockets that are here or on their way; guarded by server.mu
	lasting bool // it is there without sockets, too; likewise

	mu      sync.RWMutex
	sockets map[string]*Socket // by id; those that are connected
}

// life is what a program wants to happen in a namespace, or in all of a family.
type life struct {
	mu          sync.RWMutex
	middlewares []func(*Socket) error
	connected   []func(*Socket)
	serverSide  []handler
}

// Family are the namespaces that a pattern admits.
type Family struct {
	server *Server
	match  func(name string, auth json.RawMessage) bool
	life   *life
}

func newNamespace(s *Server, name string, l *life) *Namespace {
	n := &Namespace{server: s, name: name, life: l, every: channelOf(name, ""), sockets: make(map[string]*Socket)}
	n.frames.Encode = func(p *hub.Publication) *engineio.Message { return frame(p, s, name) }
	return n
}

func checkNamespace(name string) error {
	if !strings.HasPrefix(name, "/") || strings.ContainsRune(name, ',') {
		return fmt.Errorf("socketio: %q is no name of a namespace; begin it with a slash, and leave commas out", name)
	}
	if err := hub.CheckChannel(channelOf(name, "")); err != nil {
		return fmt.Errorf("socketio: %q is no name of a namespace, for it is to be a channel's, too: %w", name, err)
	}
	return nil
}

// channelOf is the channel of a room: the room's own name in "/", and elsewhere behind the namespace and a comma. The namespace itself is the room
// without a name.
func channelOf(namespace, room string) string {
	if namespace == "/" && room != "" {
		return room
	}
	return namespace + "," + room
}

// checkRoom refuses names of rooms which would be the channel of another namespace's.
func (n *Namespace) checkRoom(room string) error {
	if room == "" {
		return hub.Errorf(hub.BadChannel, "the room has no name; give it one")
	}
	if n.name == "/" && room[0] == '/' && strings.ContainsRune(room, ',') {
		return hub.Errorf(hub.BadChannel, "the room %.100q begins with a slash and holds a comma, as the channels of other namespaces do; leave out one of the two", room)
	}
	if isID(room) { // what is sent to a client that has gone must not be for whoever comes into a channel of that name
		return hub.Errorf(hub.BadChannel, "the room %q is called as sockets are; give it a name that is not 20 lower-case letters and digits", room)
	}
	return hub.CheckChannel(channelOf(n.name, room))
}

// checkShared is checkRoom for a room that several sockets may be in: one that is called like a socket is that socket's alone.
func (n *Namespace) checkShared(room string) error {
	if n.Socket(room) != nil {
		return hub.Errorf(hub.BadChannel, "the room %.100q is called as a socket is, which is alone in it; choose another name, and have both sockets join that", room)
	}
	return n.checkRoom(room)
}

// isSocket tells whether a name is that of a socket, which may have gone, rather than a room's.
func (n *Namespace) isSocket(name string) bool {
	return isID(name) || n.Socket(name) != nil || n.server.keeper.has(name, n.name)
}

// newID makes an id for a socket: one for a session of the hub, with a digit, so that no word is one.
func newID() string {
	for {
		if id := hub.NewSessionID(); isID(id) {
			return id
		}
	}
}

// isID tells whether a name is one that newID makes.
func isID(name string) bool {
	const size = 20
	if len(name) != size {
		return false
	}
	digits := 0
	for _, c := range []byte(name) {
		switch {
		case '2' <= c && c <= '7':
			digits++
		case c < 'a' || c > 'z':
			return false
		}
	}
	return digits > 0
}

// roomOf is the room of a channel; "" for that of all sockets.
func (n *Namespace) roomOf(channel string) string {
	if channel == n.every {
		return ""
	}
	if n.name == "/" {
		return channel
	}
	return strings.TrimPrefix(channel, n.every)
}

// Name is the namespace's name.
func (n *Namespace) Name() string { return n.name }

// OnConnection has f called for every socket that connects from now on, before its first event is handled. f registers the socket's handlers.
func (n *Namespace) OnConnection(f func(*Socket)) { n.life.onConnection(f) }

// Use adds a middleware: it is called for every client that connects, in the order in which they were added, and refuses it by an error.
// The client is told the error's text, and the data of an [*Refusal] or the code of an [*hub.Error].
func (n *Namespace) Use(f func(*Socket) error) { n.life.use(f) }

// OnConnection is that of every namespace of the family.
func (f *Family) OnConnection(call func(*Socket)) { f.life.onConnection(call) }

// Use is that of every namespace of the family.
func (f *Family) Use(middleware func(*Socket) error) { f.life.use(middleware) }

// Emit sends an event to all sockets of all namespaces of the family that there are.
func (f *Family) Emit(event string, args ...any) error {
	for _, n := range f.server.all() {
		if n.life == f.life {
			if err := n.Emit(event, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *life) onConnection(f func(*Socket)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = append(l.connected[:len(l.connected):len(l.connected)], f)
}

func (l *life) use(f func(*Socket) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.middlewares = append(l.middlewares[:len(l.middlewares):len(l.middlewares)], f)
}

func (l *life) handlers() (middlewares []func(*Socket) error, connected []func(*Socket)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.middlewares, l.connected
}

// Socket returns the connected socket of an id, or nil.
func (n *Namespace) Socket(id string) *Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets[id]
}

func (n *Namespace) add(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[s.id] = s
}

func (n *Namespace) remove(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[s.id] == s {
		delete(n.sockets, s.id)
	}
}

// The operators of [Broadcast], for all sockets of the namespace.

func (n *Namespace) broadcast() Broadcast { return Broadcast{namespace: n} }

// To addresses the sockets in any of some rooms; see [Broadcast.To].
func (n *Namespace) To(rooms ...string) Broadcast { return n.broadcast().To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) Broadcast { return n.broadcast().To(rooms...) }

// Except leaves out the sockets in any of some rooms; see [Broadcast.Except].
func (n *Namespace) Except(rooms ...string) Broadcast { return n.broadcast().Except(rooms...) }

// Volatile allows what is emitted to be dropped; see [Broadcast.Volatile].
func (n *Namespace) Volatile() Broadcast { return n.broadcast().Volatile() }

// Local keeps what is emitted on this node; see [Broadcast.Local].
func (n *Namespace) Local() Broadcast { return n.broadcast().Local() }

// Timeout is how long EmitWithAck waits at most; see [Broadcast.Timeout].
func (n *Namespace) Timeout(d time.Duration) Broadcast { return n.broadcast().Timeout(d) }

// Emit sends an event to all sockets; see [Broadcast.Emit].
func (n *Namespace) Emit(event string, args ...any) error { return n.broadcast().Emit(event, args...) }

// EmitWithAck sends an event to all sockets and waits for their answers; see [Broadcast.EmitWithAck].
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	return n.broadcast().EmitWithAck(ctx, event, args...)
}

// FetchSockets returns what is known of all sockets, on all nodes; see [Broadcast.FetchSockets].
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.broadcast().FetchSockets(ctx)
}

// Sockets returns all sockets of this node.
func (n *Namespace) Sockets() []*Socket { return n.broadcast().Sockets() }

// SocketsJoin has all sockets join rooms; see [Broadcast.SocketsJoin].
func (n *Namespace) SocketsJoin(rooms ...string) error { return n.broadcast().SocketsJoin(rooms...) }

// SocketsLeave has all sockets leave rooms; see [Broadcast.SocketsLeave].
func (n *Namespace) SocketsLeave(rooms ...string) error { return n.broadcast().SocketsLeave(rooms...) }

// DisconnectSockets disconnects all sockets; see [Broadcast.DisconnectSockets].
func (n *Namespace) DisconnectSockets(close bool) error {
	return n.broadcast().DisconnectSockets(close)
}
