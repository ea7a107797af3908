// Finding sessions by who their clients are.

package hub

import (
	"iter"
	"maps"
	"slices"
)

// Trait is something of an identity by which sessions are found.
type Trait uint8

// The traits, by the fields of [Identity].
const (
	ByUser    Trait = iota
	BySubject       // where that is another than the user
	ByLogin
	ByToken
)

// handle is a trait's value. None is "".
type handle struct {
	trait Trait
	value string
}

// handles are those of an identity.
func (who *Identity) handles() iter.Seq[handle] {
	all := [...]handle{{ByUser, who.User}, {BySubject, who.Subject}, {ByLogin, who.Login}, {ByToken, who.Token}}
	return func(yield func(handle) bool) {
		for _, one := range all {
			if one.value == "" || one.trait == BySubject && who.Subject == who.User {
				continue
			}
			if !yield(one) {
				return
			}
		}
	}
}

// index is the sessions by their handles. Guarded by Hub.mu.
type index map[handle]bunch

// bunch is the sessions of a handle: most have one, some have many.
type bunch struct {
	one  *Session // nil if there are several
	more map[*Session]struct{}
}

func (x index) add(s *Session, who *Identity) {
	for key := range who.handles() {
		switch b := x[key]; {
		case b.more != nil:
			b.more[s] = struct{}{}
		case b.one != nil:
			x[key] = bunch{more: map[*Session]struct{}{b.one: {}, s: {}}}
		default:
			x[key] = bunch{one: s}
		}
	}
}

func (x index) remove(s *Session, who *Identity) {
	for key := range who.handles() {
		b := x[key]
		delete(b.more, s)
		if len(b.more) == 0 {
			delete(x, key)
		}
	}
}

// Find returns the open sessions of this node whose identity has a value for a trait, in no order; none for "".
func (h *Hub) Find(by Trait, value string) []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	b := h.index[handle{by, value}]
	if b.one != nil {
		return []*Session{b.one}
	}
	return slices.Collect(maps.Keys(b.more))
}
