// The roster: the open sessions by id, in parts, so that whoever goes over all of them holds up nobody for long.

package hub

import (
	"hash/maphash"
	"maps"
	"slices"
)

// rosterParts is how many parts a roster has: with 100,000 sessions one has some 1,600, which are copied in a few microseconds.
const rosterParts = 64

// roster is guarded by Hub.mu.
type roster struct {
	seed  maphash.Seed
	parts [rosterParts]map[string]*Session
	count int
}

func newRoster() roster { return roster{seed: maphash.MakeSeed()} }

func (r *roster) part(id string) *map[string]*Session {
	return &r.parts[maphash.String(r.seed, id)%rosterParts]
}

// get returns the session of an id, or nil.
func (r *roster) get(id string) *Session { return (*r.part(id))[id] }

// put adds a session, in place of one with the same id.
func (r *roster) put(s *Session) {
	part := r.part(s.id)
	if *part == nil {
		*part = make(map[string]*Session)
	}
	if _, known := (*part)[s.id]; !known {
		r.count++
	}
	(*part)[s.id] = s
}

// remove takes out the session of an id, and reports whether there was one.
func (r *roster) remove(id string) bool {
	part := *r.part(id)
	if _, known := part[id]; !known {
		return false
	}
	delete(part, id)
	r.count--
	return true
}

// all are the sessions, in no order.
func (r *roster) all() []*Session {
	all := make([]*Session, 0, r.count)
	for _, part := range r.parts {
		all = slices.AppendSeq(all, maps.Values(part))
	}
	return all
}

// All calls yield for the open sessions of this node, in no order, until it returns false. A session that is open all the while is met
// once; one that comes or goes meanwhile may be met or not. No lock is held while yield runs, and none for long between.
func (h *Hub) All(yield func(*Session) bool) {
	var some []*Session
	for i := range h.sessions.parts {
		h.mu.RLock()
		some = slices.AppendSeq(some[:0], maps.Values(h.sessions.parts[i]))
		h.mu.RUnlock()
		for _, s := range some {
			if !yield(s) {
				return
			}
		}
	}
}
