//go:build !linux

package loop

// Rounds is how often the loops of the server have gone round: there are none.
func (s *Server) Rounds() uint32 { return 0 }
