// How busy the loops are.

package loop

// Rounds is how often the loops of the server have gone round.
func (s *Server) Rounds() (rounds uint32) {
	if p, ok := s.poll.(*loops); ok {
		for _, l := range p.all {
			rounds += l.rounds.Load() / 2
		}
	}
	return rounds
}
