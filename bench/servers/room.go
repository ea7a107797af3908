package servers

// This file: what the rooms of all libraries have in common. The first message of a connection makes it a member and is
// echoed to it alone, so that the client knows when; every later one goes to all members, its sender included.

import (
	"slices"
	"sync"
)

// room is the connections that have joined.
type room[C comparable] struct {
	mu      sync.RWMutex
	members []C
}

func (r *room[C]) join(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = append(r.members, c)
}

// leave does nothing for a connection that never joined.
func (r *room[C]) leave(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.members, c); i >= 0 {
		r.members[i] = r.members[len(r.members)-1]
		r.members = r.members[:len(r.members)-1]
	}
}

func (r *room[C]) each(deliver func(C)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.members {
		deliver(c)
	}
}
