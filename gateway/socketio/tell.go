// Events that are made ready once for many sockets, and not kept for those that recover.

package socketio

import (
	"bytes"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Prepared is an event made ready for any number of a namespace's sockets. It may be used from any goroutine.
type Prepared struct {
	namespace *Namespace
	message   *engineio.Message
}

// Prepare makes an event ready for [Socket.Tell]. Its last argument must not be a text, as clients that recover would take that for their offset. The
// error tells what cannot be sent.
func (n *Namespace) Prepare(event string, args ...any) (*Prepared, error) {
	if err := checkEvent(event); err != nil {
		return nil, err
	}
	e, err := encode(args, n.server.limits.Attachments)
	if err != nil {
		return nil, err
	}
	if len(e.text) == 0 || bytes.HasSuffix(e.text, []byte{'"'}) { // of an event without arguments its name is the last
		return nil, hub.Errorf(hub.BadRequest, "the event %.100q ends with a text, which a client that recovers would take for its offset; end it with an object", event)
	}
	return &Prepared{n, engineio.Prepare(packetText(packet.Event, n.name, event, 0, false, e, ""), e.attachments...)}, nil
}

// Tell sends an event to this client if it is there. Unlike what [Socket.Emit] sends it is not kept for a client that recovers: it is for what is of
// interest at the moment only. The error is [ErrDisconnected], or says that the event is another namespace's.
func (s *Socket) Tell(p *Prepared) error {
	if p.namespace != s.namespace {
		return hub.Errorf(hub.BadRequest, "the event was prepared for the namespace %q, and the socket is in %q; prepare it there", p.namespace.name, s.nsp)
	}
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if over || s.memory == nil && !s.connected.Load() { // one that recovers hears of its channels before it is told that it is connected
		return ErrDisconnected
	}
	if _, err := s.conn.engine.SendPrepared(p.message); err != nil {
		return ErrDisconnected
	}
	return nil
}
