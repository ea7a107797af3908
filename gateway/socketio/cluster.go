// Events between the nodes of a server.

package socketio

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
)

// Cluster is the way to a server's other nodes.
type Cluster interface {
	// Start has receive called for each message that another node sends, one at a time, and not after the server is over. It may wait.
	Start(receive func(message []byte)) error
	// Send sends a message to all other nodes. It does not wait for them.
	Send(message []byte) error
}

// nodeMessage is what nodes send each other.
type nodeMessage struct {
	Namespace string            `json:"nsp"`
	Event     string            `json:"event"`
	Args      []json.RawMessage `json:"args"`

	Do          string   `json:"do,omitempty"` // "" is an event for handlers of the server
	Rooms       []string `json:"rooms,omitempty"`
	Except      []string `json:"except,omitempty"`
	Volatile    bool     `json:"volatile,omitempty"`
	Targets     []string `json:"targets,omitempty"` // rooms to join or to leave
	Close       bool     `json:"close,omitempty"`
	Text        []byte   `json:"text,omitempty"` // of arguments
	Attachments [][]byte `json:"attachments,omitempty"`
}

// ServerSideEmit sends an event to the same namespace of all other nodes, whose handlers are those of [Namespace.OnServerSide]. Arguments are JSON;
// bytes arrive as [Bytes]. On a server of one node it does nothing.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	cluster := n.server.options.Cluster
	if cluster == nil {
		return nil
	}
	m := nodeMessage{Namespace: n.name, Event: event, Args: []json.RawMessage{}}
	for i, arg := range args {
		if b, ok := plainBytes(arg); ok {
			arg = Bytes(b)
		}
		text, _, err := marshal(arg)
		if err != nil {
			return fmt.Errorf("socketio: argument %d cannot be sent: %w", i+1, err)
		}
		m.Args = append(m.Args, text)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return cluster.Send(text)
}

// OnServerSide has a function called for an event that another node emits by [Namespace.ServerSideEmit]. It is like that of [Socket.On], but
// gets no acknowledgement.
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
	s.mu.RLock()
	n := s.namespaces[m.Namespace]
	s.mu.RUnlock()
	if n == nil {
		return
	}
	if m.Do != "" {
		n.obey(&m)
		return
	}
	n.life.mu.RLock()
	handlers := n.life.serverSide
	n.life.mu.RUnlock()
	args := Args{}
	for _, text := range m.Args {
		args.elements = append(args.elements, text)
	}
	for i := range handlers {
		h := &handlers[i]
		if h.event != m.Event {
			continue
		}
		if err := guardedCall(h, args); err != nil {
			s.log.Warn("an event of another node was not handled", "namespace", m.Namespace, "event", m.Event, "cause", err)
		}
	}
}

// guardedCall calls a handler, whose panic is its error: the goroutine is the cluster's.
func guardedCall(h *handler, args Args) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return h.call(nil, args, Ack{})
}
