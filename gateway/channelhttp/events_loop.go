// Event streams over HTTP/1.1: their connections ride the event loop.

package channelhttp

import (
	"errors"
	"net/http"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
)

// stream is a client of an event stream on the event loop.
type stream struct {
	line.Line
	listener
}

func (s *stream) Receive(p *hub.Publication) hub.Reception { return s.receive(s, p) }

func (s *stream) Notify(n *hub.Notice) { s.notify(s, n) }

// Describe implements [hub.Describer].
func (s *stream) Describe() hub.Description {
	d := s.About("sse", "events")
	d.Fixed = true
	return d
}

// Tap implements [hub.Tapper].
func (s *stream) Tap(f func(hub.Frame)) (stop func(), ok bool) { return s.TapEvents(f) }

// End implements [hub.Receiver].
func (s *stream) End(cause error) {
	s.Send(s.gateway.lastWords(cause), nil)
	s.Line.End(cause)
}

// streamEvents subscribes first, so that a refusal is an answer of HTTP, and then takes the connection over.
func (g *Gateway) streamEvents(w http.ResponseWriter, r *http.Request, q *request) error {
	s := &stream{listener: g.newListener(q)}
	if err := g.lines.Open(s, q.who); err != nil {
		return err
	}
	if err := s.join(r, s, q); err != nil {
		s.Session().Abandon()
		return err
	}
	if err := g.lines.Stream(w, r, w.Header(), heartbeat, s); err != nil {
		s.Session().Abandon()
		if errors.Is(err, http.ErrServerClosed) { // which has answered nothing
			return hub.ErrShutdown
		}
		g.lines.Journal().Request(r, s.Session().ID(), err)
	}
	return nil
}
