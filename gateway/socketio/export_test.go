package socketio

import "github.com/ringdown/ringdown/hub"

// Receive is what the hub calls for each delivery.
func (s *Socket) Receive(p *hub.Publication) hub.Reception { return s.arrived(p) }
