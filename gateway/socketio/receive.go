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

// arrived takes a publication of a channel that the socket is in.
func (s *Socket) arrived(p *hub.Publication) hub.Reception {
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

// receive is arrived with recovery: the trail has the order in which messages left, and how far the socket is in channels of which the client does not
// get everything.
func (s *Socket) receive(p *hub.Publication, kept bool) hub.Reception {
	m := s.namespace.frames.Of(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return hub.Refused
	}
	if kept {
		s.trail.kept(p)
		return s.conn.reception()
	}
	seq, err := s.conn.engine.SendPrepared(m)
	if err != nil {
		return hub.Refused
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

// noticed takes what the hub has to tell of a channel.
func (s *Socket) noticed(n *hub.Notice) {
	switch n.Type {
	case hub.Subscribed:
		s.entered(n)
		switch tag := n.Tag.(type) {
		case *welcome:
			s.welcome()
		case *again: // the client is not told of what it knows, nor before it is certain
			tag.recovered = n.Recovered
			return
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
		s.trail.enter(n.Channel, n.Position, originOf(n))
	}
}

// originOf is who wanted the socket to be in a channel.
func originOf(n *hub.Notice) origin {
	switch tag := n.Tag.(type) {
	case *again:
		return tag.by
	case origin:
		return tag
	}
	if n.Forced {
		return byProgram
	}
	return byClient
}

func (s *Socket) left(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = slices.DeleteFunc(s.rooms, func(c string) bool { return c == channel })
	if s.memory != nil && !s.over {
		s.trail.leave(channel)
	}
}

// ended ends the socket, because the hub has ended its session: the client is told why by an event "error" before it is disconnected; where it shall come back by itself, its
// connection is closed instead.
func (s *Socket) ended(cause error) {
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
	s.conn.server.hub.Told(hub.Ending{Session: s.Session(), Remote: s.conn.engine.RemoteAddr(), Code: refusal.Code, Cause: sentence})
	reconnect := refusal.Status >= 500
	if s.conn.server.options.Direct != nil {
		s.write(OwnEvents+"disconnect", goodbye{told{string(refusal.Code), sentence}, reconnect})
	} else {
		s.say(cause)
	}
	if reconnect {
		s.Reconnect()
		return
	}
	s.Disconnect(false)
}

// problem is what a client is told of something that went wrong, in an acknowledgement or an event "error".
type problem struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
	Data  any    `json:"data,omitempty"` // JSON
}

var internalProblem = problem{Error: "the server could not do it; its log says why", Code: string(hub.Internal)}

// problemOf is what a client may know of an error: what is meant for it, or is its own doing.
func problemOf(err error) problem {
	if wrong, ok := errors.AsType[*wrongArguments](err); ok {
		return problem{Error: wrong.told}
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return problem{Error: refusal.Message, Data: refusal.Data}
	}
	refusal, sentence := hub.RefusalOf(err)
	return problem{Error: sentence, Code: string(refusal.Code)}
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
