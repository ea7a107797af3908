// What the hub hands to a socket, and what becomes of it.

package socketio

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Receive implements [hub.Receiver].
func (s *Socket) Receive(p *hub.Publication) hub.Reception {
	kept := p.Except != nil && s.excepted(p) || p.Form&hub.Fleeting != 0 && !s.conn.engine.Writable()
	if s.memory != nil {
		return s.receive(p, kept)
	}
	if kept {
		return hub.Taken
	}
	if _, err := s.conn.engine.SendPrepared(s.namespace.frames.Of(p)); err != nil {
		return hub.Refused
	}
	return s.conn.reception()
}

// receive is Receive with recovery: the trail has the order in which messages left. What is kept from the client is in it, too, so that
// it goes on without a hole.
func (s *Socket) receive(p *hub.Publication, kept bool) hub.Reception {
	m := s.namespace.frames.Of(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return hub.Refused
	}
	seq := uint64(0)
	if !kept {
		var err error
		if seq, err = s.conn.engine.SendPrepared(m); err != nil {
			return hub.Refused
		}
	}
	if s.trail.published(p, seq) {
		s.trail.trim(s.conn.engine.Confirmed())
	}
	return s.conn.reception()
}

// excepted tells whether the socket is not to get a publication.
func (s *Socket) excepted(p *hub.Publication) bool {
	if slices.Contains(p.Except, s.id) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(p.Except, func(name string) bool { return slices.Contains(s.rooms, name) })
}

// Notify implements [hub.Receiver].
func (s *Socket) Notify(n *hub.Notice) {
	switch n.Type {
	case hub.Subscribed:
		s.entered(n)
		if _, ok := n.Tag.(*welcome); ok {
			s.welcome()
		}
		if _, back := n.Tag.(again); back && !n.Recovered {
			s.conn.server.log.Warn("a client that came back has lost publications while it did", "socket", s.id, "channel", n.Channel)
		}
	case hub.Unsubscribed:
		s.left(n.Channel)
	}
	s.conn.server.options.Direct.notify(s, n)
}

func (s *Socket) entered(n *hub.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.rooms, n.Channel) {
		s.rooms = append(s.rooms, n.Channel)
	}
	if s.memory != nil {
		s.trail.enter(n.Channel, n.Position)
		if chosen, back := n.Tag.(again); back && bool(chosen) || !back && !n.Forced {
			s.trail.choose(n.Channel)
		}
	}
}

func (s *Socket) left(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = slices.DeleteFunc(s.rooms, func(c string) bool { return c == channel })
	if s.memory != nil && !s.over {
		s.trail.leave(channel)
	}
}

// End implements [hub.Receiver]: the client is told why by an event "error" before it is disconnected; where it shall come back by itself, its
// connection is closed instead.
func (s *Socket) End(cause error) {
	if errors.Is(cause, hub.ErrEnded) {
		s.Disconnect(false)
		return
	}
	refusal, sentence := hub.RefusalOf(line.Refusal(cause))
	s.conn.server.log.Info("closed", "socket", s.id, "namespace", s.nsp, "user", s.User(), "cause", sentence)
	if refusal.Code == hub.ShuttingDown {
		s.conn.engine.Close(engineio.ServerShutdown)
		return
	}
	reconnect := refusal.Status >= 500
	if s.conn.server.options.Direct != nil {
		s.write(OwnEvents+"disconnect", goodbye{told{string(refusal.Code), sentence}, reconnect})
	} else {
		s.say(cause)
	}
	s.Disconnect(reconnect)
}

// problem is what a client is told of something that went wrong, in an acknowledgement or an event "error".
type problem struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
}

var internalProblem = problem{"the server could not do it; its log says why", string(hub.Internal)}

func problemOf(err error) problem {
	if e, ok := errors.AsType[*hub.Error](err); ok {
		return problem{e.Message, string(e.Code)}
	}
	return problem{Error: err.Error()}
}

// say tells the client of an error that answers nothing.
func (s *Socket) say(err error) {
	refusal, sentence := hub.RefusalOf(line.Refusal(err))
	told := struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}{sentence, map[string]string{"code": string(refusal.Code)}}
	s.write("error", told)
}

// write sends an event that is not kept for a client that comes back.
func (s *Socket) write(event string, arg any) {
	if text, err := json.Marshal(arg); err == nil {
		s.conn.write(packetText(packet.Event, s.nsp, event, 0, false, arguments{text: text}, ""), nil)
	}
}
