// Shares: how much of what everybody needs one client may take.

package backend

import "sync"

// shares counts what is taken by each of those who take something, and refuses more than most. It holds only those who have taken
// something. It may be used from any goroutine.
type shares struct {
	most int

	mu    sync.Mutex // guards what follows
	taken map[string]int
}

// take reports whether there is one more for who.
func (s *shares) take(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[who] >= s.most {
		return false
	}
	if s.taken == nil {
		s.taken = make(map[string]int)
	}
	s.taken[who]++
	return true
}

// give gives back one that was taken.
func (s *shares) give(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[who]--; s.taken[who] <= 0 {
		delete(s.taken, who)
	}
}
