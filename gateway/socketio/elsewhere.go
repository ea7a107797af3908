// What is done to sockets wherever they are: on this node, and, by asking them, on the others.

package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// What nodes tell and ask each other, beside events of their own.
const (
	emitElsewhere     = "emit"       // is told: to sockets that are addressed by their ids
	joinSockets       = "join"       // is asked
	leaveSockets      = "leave"      // likewise
	disconnectSockets = "disconnect" // likewise
	fetchSockets      = "fetch"      // likewise; answered in parts
	askSockets        = "ask"        // likewise
	handOver          = "hand over"  // likewise
	askServers        = "server"     // likewise: an event for handlers of the server
)

// Incomplete is the error of something that was to reach the sockets of all nodes, and of which some nodes have not said in time that it was done; it may
// have been. What the other nodes have answered is returned beside it.
type Incomplete struct {
	Nodes []string // their names, sorted; "*" alone if the broker cannot say which nodes there are
}

func (e *Incomplete) Error() string {
	if slices.Equal(e.Nodes, []string{anyNode}) {
		return "socketio: only the sockets of this node were reached: the broker cannot say now which other nodes there are; try again"
	}
	return fmt.Sprintf("socketio: %d nodes have not answered in time: %s; what the others did stands", len(e.Nodes), strings.Join(e.Nodes, ", "))
}

// Unwrap has it be of the code [hub.Unavailable].
func (e *Incomplete) Unwrap() error {
	return hub.Errorf(hub.Unavailable, "not all nodes have answered")
}

// anyNode stands for nodes of which nothing is known.
const anyNode = "*"

// nodeAnswer is a part of what a node answers another.
type nodeAnswer struct {
	Sockets []RemoteSocket  `json:"sockets,omitempty"`
	Replies []carriedReply  `json:"replies,omitempty"`
	Tally   *tally          `json:"tally,omitempty"`
	Problem *problem        `json:"problem,omitempty"`
	Here    bool            `json:"here,omitempty"` // what is to be handed over is
	Handed  json.RawMessage `json:"handed,omitempty"`
}

// alone tells whether no other node is addressed.
func (b Broadcast) alone() bool { return b.local || b.namespace.server.options.Cluster == nil }

// question asks the other nodes to do something with the sockets that b addresses. hear is called for each part of an answer, on this goroutine. The error is an
// [*Incomplete], or what a node says.
func (b Broadcast) question(ctx context.Context, m nodeMessage, hear func(node string, a *nodeAnswer)) error {
	if b.alone() {
		return nil
	}
	m.Namespace, m.Rooms, m.Except = b.namespace.name, b.rooms, b.except
	if b.from != nil {
		m.Except = append(slices.Clone(m.Except), b.from.id)
	}
	return b.namespace.server.askNodes(ctx, &m, hear)
}

// askNodes asks all other nodes.
func (s *Server) askNodes(ctx context.Context, m *nodeMessage, hear func(node string, a *nodeAnswer)) error {
	cluster := s.options.Cluster
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	nodes, err := cluster.Others(ctx)
	if err != nil {
		s.log.Warn("only the sockets of this node are reached", "namespace", m.Namespace, "cause", err)
		return &Incomplete{[]string{anyNode}}
	}
	var problems error
	missing := cluster.Ask(ctx, nodes, text, func(node string, part []byte) bool {
		var a nodeAnswer
		if err := json.Unmarshal(part, &a); err != nil {
			problems = errors.Join(problems, fmt.Errorf("socketio: the node %s answers what cannot be read: %w", node, err))
			return true
		}
		if p := a.Problem; p != nil {
			problems = errors.Join(problems, hub.Errorf(hub.Code(p.Code), "on the node %s: %s", node, p.Error))
		}
		hear(node, &a)
		return true
	})
	if len(missing) > 0 {
		return errors.Join(problems, &Incomplete{missing})
	}
	return problems
}

// answer answers what another node asks; see askNodes.
func (s *Server) answer(ctx context.Context, question []byte, send func([]byte) error) error {
	var m nodeMessage
	if err := json.Unmarshal(question, &m); err != nil {
		return fmt.Errorf("socketio: the question cannot be read: %w", err)
	}
	part := func(a *nodeAnswer) error {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return send(text)
	}
	if m.Do == handOver {
		return s.giveAway(ctx, &m, part)
	}
	n := s.known(m.Namespace)
	switch {
	case n == nil && m.Do == askServers:
		return errNoHandler
	case n == nil: // nobody is in it
		return nil
	}
	b := Broadcast{namespace: n, rooms: m.Rooms, except: m.Except, local: true}
	switch m.Do {
	case joinSockets:
		if err := b.SocketsJoin(m.Targets...); err != nil {
			p := problemOf(err)
			return part(&nodeAnswer{Problem: &p})
		}
		return nil
	case leaveSockets:
		return b.SocketsLeave(m.Targets...)
	case disconnectSockets:
		return b.DisconnectSockets(m.Close)
	case fetchSockets:
		return inParts(b.described(), RemoteSocket.size, func(some []RemoteSocket) error { return part(&nodeAnswer{Sockets: some}) })
	case askSockets:
		return b.answerQuestion(ctx, &m, part)
	case askServers:
		return n.answerServer(ctx, &m, part)
	}
	return fmt.Errorf("socketio: this version does not know how to %q", m.Do)
}

// known is the namespace of a name, or nil if it is not there.
func (s *Server) known(name string) *Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.namespaces[name]
}

// done waits until the other nodes have done something, for as long as [Broadcast.Timeout] says.
func (b Broadcast) done(m nodeMessage) error {
	ctx, cancel := b.namespace.server.bounded(b.namespace.server.ctx, b.timeout)
	defer cancel()
	return b.question(ctx, m, func(string, *nodeAnswer) {})
}

// SocketsJoin has the sockets that are addressed join rooms, on all nodes, and waits until they have, for as long as [Broadcast.Timeout] says. The errors are
// those of [Socket.Join], and an [*Incomplete] if nodes have not answered.
func (b Broadcast) SocketsJoin(rooms ...string) (err error) {
	for _, s := range b.Sockets() {
		if failed := s.Join(rooms...); failed != nil && !errors.Is(failed, hub.ErrEnded) {
			err = errors.Join(err, failed)
		}
	}
	return errors.Join(err, b.done(nodeMessage{Do: joinSockets, Targets: rooms}))
}

// SocketsLeave has the sockets that are addressed leave rooms, on all nodes, and waits like [Broadcast.SocketsJoin].
func (b Broadcast) SocketsLeave(rooms ...string) error {
	for _, s := range b.Sockets() {
		for _, room := range rooms {
			s.Leave(room)
		}
	}
	return b.done(nodeMessage{Do: leaveSockets, Targets: rooms})
}

// DisconnectSockets disconnects the sockets that are addressed, on all nodes, and with close their connections; see [Socket.Disconnect]. It waits like
// [Broadcast.SocketsJoin].
func (b Broadcast) DisconnectSockets(close bool) error {
	for _, s := range b.Sockets() {
		s.Disconnect(close)
	}
	return b.done(nodeMessage{Do: disconnectSockets, Close: close})
}

// FetchSockets returns what is known of the sockets that are addressed, on all nodes, in no order. ctx and [Broadcast.Timeout] say how long the other nodes are
// waited for. With an error, which is an [*Incomplete] if nodes have not answered, the others' sockets are returned, too. [Broadcast.Sockets] are
// those of this node.
func (b Broadcast) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	ctx, cancel := b.namespace.server.bounded(ctx, b.timeout)
	defer cancel()
	all := b.described()
	err := b.question(ctx, nodeMessage{Do: fetchSockets}, func(node string, a *nodeAnswer) {
		for _, s := range a.Sockets {
			s.Node, s.namespace = node, b.namespace
			all = append(all, s)
		}
	})
	return all, err
}

// described are the sockets of this node that are addressed.
func (b Broadcast) described() (all []RemoteSocket) {
	for _, s := range b.Sockets() {
		all = append(all, s.describe())
	}
	return all
}

// emitElsewhere has an event reach those rooms that may be ids of sockets on other nodes, or of some that are kept there.
func (b Broadcast) emitElsewhere(event string, e arguments, mark uint64) error {
	b.rooms = slices.DeleteFunc(slices.Clone(b.rooms), func(room string) bool { return !isID(room) || b.namespace.Socket(room) != nil })
	if len(b.rooms) == 0 || b.alone() {
		return nil
	}
	m := nodeMessage{Namespace: b.namespace.name, Do: emitElsewhere, Event: event, Text: e.text, Attachments: e.attachments, Mark: mark,
		Rooms: b.rooms, Except: b.except, Volatile: b.volatile}
	if b.from != nil {
		m.Except = append(slices.Clone(m.Except), b.from.id)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := b.namespace.server.options.Cluster.Send(text); err != nil {
		return hub.Errorf(hub.Unavailable, "the other nodes cannot be told now; try again: %w", err)
	}
	return nil
}

// obey does what another node tells.
func (n *Namespace) obey(m *nodeMessage) {
	if m.Do != emitElsewhere { // what else there is, a later version knows
		return
	}
	b, e := Broadcast{namespace: n, except: m.Except, volatile: m.Volatile}, arguments{text: m.Text, attachments: m.Attachments}
	own := n.markedAs(m.Mark, m.Event, e) // the same everywhere
	if m.Mark == 0 {
		own = n.marked(m.Event, e)
	}
	b.emitToAll(m.Rooms, own)
}

// RemoteSocket is what is known of a socket, on this node or on another, at the moment when it was fetched. Its methods find the socket where it is when they are called.
type RemoteSocket struct {
	ID        string                     `json:"id"`
	Node      string                     `json:"-"` // where it was; "" without Options.Cluster
	User      string                     `json:"user,omitempty"`
	Rooms     []string                   `json:"rooms"`           // without its own
	Data      map[string]json.RawMessage `json:"data,omitempty"`  // by [Socket.Set]; what is no JSON is left out
	Remote    string                     `json:"remote"`          // the client's address
	Transport string                     `json:"transport"`       // see [Socket.Transport]
	Opened    time.Time                  `json:"opened,omitzero"` // by the clock of its node

	namespace *Namespace
}

func (s *Socket) describe() RemoteSocket {
	r := RemoteSocket{ID: s.id, User: s.User(), Rooms: s.Rooms()[1:], Remote: s.conn.engine.RemoteAddr(), Transport: s.Transport(), Opened: s.Session().Since(), namespace: s.namespace}
	if cluster := s.namespace.server.options.Cluster; cluster != nil {
		r.Node = cluster.Node()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value := range s.data {
		if text, err := json.Marshal(value); err == nil {
			if r.Data == nil {
				r.Data = make(map[string]json.RawMessage, len(s.data))
			}
			r.Data[key] = text
		}
	}
	return r
}

// size is about how many bytes it takes between nodes.
func (r RemoteSocket) size() int {
	n := 200
	for _, room := range r.Rooms {
		n += len(room) + 3
	}
	for key, value := range r.Data {
		n += len(key) + len(value) + 6
	}
	return n
}

// Emit sends an event to the socket; see [Broadcast.Emit].
func (r RemoteSocket) Emit(event string, args ...any) error { return r.here().Emit(event, args...) }

// EmitWithAck sends an event to the socket and waits for its answer; see [Broadcast.EmitWithAck]. If there is none and no other error, it is [ErrDisconnected].
func (r RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	replies, err := r.here().EmitWithAck(ctx, event, args...)
	switch {
	case len(replies) > 0:
		return replies[0].Args, nil
	case err == nil:
		err = ErrDisconnected
	}
	return Args{}, err
}

// Join has the socket enter rooms; see [Broadcast.SocketsJoin].
func (r RemoteSocket) Join(rooms ...string) error { return r.here().SocketsJoin(rooms...) }

// Leave has the socket leave rooms.
func (r RemoteSocket) Leave(rooms ...string) error { return r.here().SocketsLeave(rooms...) }

// Disconnect disconnects the socket; see [Socket.Disconnect].
func (r RemoteSocket) Disconnect(close bool) error { return r.here().DisconnectSockets(close) }

// here addresses the socket: on this node alone if it is there.
func (r RemoteSocket) here() Broadcast {
	b := r.namespace.To(r.ID)
	b.local = r.namespace.Socket(r.ID) != nil
	return b
}
