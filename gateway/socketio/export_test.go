package socketio

import "github.com/ringdown/ringdown/hub"

// Hold has the socket's end wait where it tells those who wait for answers, until it is let go on.
func (s *Socket) Hold() (release func()) {
	c := newCall(s.conn.server.ids.Add(1), []*Socket{s})
	c.expect(s)
	c.mu.Lock()
	return c.mu.Unlock
}

// Over tells whether the socket's end has begun.
func (s *Socket) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// Receive is what the hub calls for each delivery.
func (s *Socket) Receive(p *hub.Publication) hub.Reception { return s.arrived(p) }
