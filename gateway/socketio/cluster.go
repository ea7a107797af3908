// Events between the nodes of a server.

package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Cluster is the way to a server's other nodes. A Line of package server/cluster is one.
type Cluster interface {
	// Node is this node's name.
	Node() string
	// Others are the names of the other nodes that live.
	Others(ctx context.Context) ([]string, error)
	// Start has receive called for each message that another node sends, one at a time, and not after the server is over; it may wait. answer is called for each
	// question, on a goroutine of its own, once receive has returned for what came before it; part sends a part of the answer, and an error says that there is none.
	Start(receive func(message []byte), answer func(ctx context.Context, question []byte, part func([]byte) error) error) error
	// Send sends a message to all other nodes. It does not wait for them.
	Send(message []byte) error
	// Ask puts a question to nodes and calls part, on this goroutine, for each part of an answer, until all have answered to the end, part returns false or ctx is
	// over. missing are those that have not answered to the end; nodes that are dead should be found out sooner than ctx ends.
	Ask(ctx context.Context, nodes []string, question []byte, part func(node string, part []byte) (goOn bool)) (missing []string)
}

// nodeMessage is what nodes tell and ask each other.
type nodeMessage struct {
	Namespace string            `json:"nsp"`
	Event     string            `json:"event,omitempty"`
	Args      []json.RawMessage `json:"args,omitempty"`

	Do          string        `json:"do,omitempty"` // "" is an event for handlers of the server
	Rooms       []string      `json:"rooms,omitempty"`
	Except      []string      `json:"except,omitempty"`
	Volatile    bool          `json:"volatile,omitempty"`
	Targets     []string      `json:"targets,omitempty"` // rooms to join or to leave
	Close       bool          `json:"close,omitempty"`
	Text        []byte        `json:"text,omitempty"` // of arguments
	Attachments [][]byte      `json:"attachments,omitempty"`
	Mark        uint64        `json:"mark,omitempty"` // of an event that is emitted
	Wait        time.Duration `json:"wait,omitempty"` // how long who asks does
	PID         string        `json:"pid,omitempty"`  // of what is to be handed over, and whose it must be
	User        string        `json:"user,omitempty"`
	Stored      bool          `json:"stored,omitempty"` // it was taken from the store
}

// ServerSideEmit sends an event to the same namespace of all other nodes, whose handlers are those of [Namespace.OnServerSide]. Arguments are JSON;
// bytes arrive as [Bytes]. On a server of one node it does nothing.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	cluster := n.server.options.Cluster
	if cluster == nil {
		return nil
	}
	raw, err := betweenServers(args)
	if err != nil {
		return err
	}
	text, err := json.Marshal(nodeMessage{Namespace: n.name, Event: event, Args: raw})
	if err != nil {
		return err
	}
	return cluster.Send(text)
}

// betweenServers are arguments as one server sends them to another.
func betweenServers(args []any) (all []json.RawMessage, err error) {
	for i, arg := range args {
		if b, ok := plainBytes(arg); ok {
			arg = Bytes(b)
		}
		text, _, err := marshal(arg)
		if err != nil {
			return nil, fmt.Errorf("socketio: argument %d cannot be sent: %w", i+1, err)
		}
		all = append(all, text)
	}
	return all, nil
}

// NodeReply is what the server of another node answered.
type NodeReply struct {
	Node string
	Args
}

// ServerSideEmitWithAck is ServerSideEmit, and waits until the handlers of all other nodes have answered, for as long as ctx allows; where that has no deadline, for
// Options.AckTimeout. The replies are those that came. The error is an [*Incomplete] that names the nodes of which none did: they could not be reached, have no such handler, it
// failed, or it did not answer in time.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) (replies []NodeReply, err error) {
	if n.server.options.Cluster == nil {
		return nil, nil
	}
	raw, err := betweenServers(args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := n.server.bounded(ctx, 0)
	defer cancel()
	until, _ := ctx.Deadline()
	err = n.server.askNodes(ctx, &nodeMessage{Namespace: n.name, Do: askServers, Event: event, Args: raw, Wait: time.Until(until)}, func(node string, a *nodeAnswer) {
		for _, r := range a.Replies {
			replies = append(replies, NodeReply{node, argsOf(r.Elements, nil)})
		}
	})
	return replies, err
}

// OnServerSide has a function called for an event that another node emits by [Namespace.ServerSideEmit] or [Namespace.ServerSideEmitWithAck]. It is like that of
// [Socket.On]; its [Ack] is wanted only by the latter. Events of the former are handled one after the other, in the order in which they came; one of the latter is handled after
// those that came before it, beside others of its sort. A handler may ask other nodes; but while it waits for [Namespace.ServerSideEmitWithAck], no other event is handled here, so nodes that do this at
// the same time get no answer from each other: do it on another goroutine.
func (n *Namespace) OnServerSide(event string, f any) {
	h := handle(event, f)
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	n.life.serverSide = with(n.life.serverSide, h)
}

// serverSide takes a message of another node.
func (s *Server) serverSide(message []byte) {
	var m nodeMessage
	if err := json.Unmarshal(message, &m); err != nil {
		s.log.Warn("another node sent what is no message", "cause", err)
		return
	}
	n := s.known(m.Namespace)
	switch {
	case n == nil:
	case m.Do != "":
		n.obey(&m)
	default:
		n.notice(&m, len(message))
	}
}

// notice has an event of another node handled in its turn.
func (n *Namespace) notice(m *nodeMessage, size int) {
	s := n.server
	unhandled := func(err error, more ...any) {
		s.log.Warn("an event of another node was not handled", append(more, "namespace", m.Namespace, "event", m.Event, "cause", err)...)
	}
	err := s.notices.add(&s.hands, size, func() {
		for _, err := range n.handleServerSide(m, Ack{}) {
			unhandled(err)
		}
	})
	if err != nil {
		if unlogged, due := s.notices.lines.Due(); due {
			unhandled(err, "unlogged", unlogged)
		}
	}
}

var errNoHandler = errors.New("the event has no handler; register one by OnServerSide")

// handleServerSide calls the handlers of an event of another node, and returns what went wrong.
func (n *Namespace) handleServerSide(m *nodeMessage, ack Ack) (failed []error) {
	n.life.mu.RLock()
	handlers := n.life.serverSide
	n.life.mu.RUnlock()
	found := false
	for i := range handlers {
		h := &handlers[i]
		if h.event != m.Event {
			continue
		}
		found = true
		if err := guardedCall(h, argsOf(m.Args, nil), ack); err != nil {
			failed = append(failed, err)
		}
	}
	if !found && ack.Wanted() {
		failed = append(failed, errNoHandler)
	}
	return failed
}

// answerServer is what another node's ServerSideEmitWithAck asks for.
func (n *Namespace) answerServer(ctx context.Context, m *nodeMessage, part func(*nodeAnswer) error) error {
	ctx, cancel := context.WithTimeout(ctx, min(m.Wait, maxQuestion))
	defer cancel()
	earlier := make(chan struct{}) // closed when the events that came before it have been handled
	if err := n.server.notices.add(&n.server.hands, 0, func() { close(earlier) }); err != nil {
		return err
	}
	select {
	case <-earlier:
	case <-ctx.Done():
		return errors.New("it was still handling earlier events")
	}
	answered := make(chan []json.RawMessage, 1)
	ack := Ack{done: new(atomic.Bool), server: answered}
	part(&nodeAnswer{}) // a sign of life: a handler may take its time
	if failed := n.handleServerSide(m, ack); len(failed) > 0 {
		return errors.Join(failed...)
	}
	select {
	case elements := <-answered:
		return part(&nodeAnswer{Replies: []carriedReply{{Elements: elements}}})
	case <-ctx.Done():
		return errors.New("its handler has not answered in time")
	}
}

// guardedCall calls a handler, whose panic is its error: the goroutine is the cluster's.
func guardedCall(h *handler, args Args, ack Ack) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return h.call(nil, args, ack)
}
