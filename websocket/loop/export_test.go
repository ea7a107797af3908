// What the black-box tests may see of the inside.

package loop

// Ticks is how far the server's clock has come.
func (s *Server) Ticks() uint32 { return s.clock.Load() }

// Ticks is how far the clock of the connection's server has come.
func (c *Conn) Ticks() uint32 { return c.server.Ticks() }

// OnLoops tells whether there are event loops.
func (s *Server) OnLoops() bool { return s.poll != nil }
