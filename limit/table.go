// Who is remembered: addresses and users, bounded in number.

package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	shards   = 64
	overflow = 1024 // buckets that are shared by those for whom there is no room
	glances  = 4    // at others, for each that is added: whoever is forgotten is found by those who come
)

// entry is an address or user: what its sessions share.
type entry struct {
	rates          [kinds]*rate.Limiter
	newSessions    *rate.Limiter
	newConnections *rate.Limiter
	sessions       atomic.Int64
	connections    atomic.Int64

	users int // that hold the entry; guarded by the shard, as is what follows
	left  time.Time
}

// table finds the entries of a kind of key.
type table[K comparable] struct {
	rates          Rates
	newSessions    Rate
	newConnections Rate

	seed   maphash.Seed
	most   int // entries of a shard
	shards [shards]tableShard[K]
	shared [overflow]atomic.Pointer[entry] // never forgotten
}

type tableShard[K comparable] struct {
	mu      sync.Mutex
	entries map[K]*entry
}

func newTable[K comparable](most int, rates Rates, sessions, connections Rate) *table[K] {
	t := &table[K]{rates: rates, newSessions: sessions, newConnections: connections, seed: maphash.MakeSeed(), most: (most + shards - 1) / shards}
	for i := range t.shards {
		t.shards[i].entries = make(map[K]*entry)
	}
	return t
}

// acquire returns the entry of key, which is not forgotten until it is released.
func (t *table[K]) acquire(key K, now time.Time) *entry {
	hash := maphash.Comparable(t.seed, key)
	s := &t.shards[hash%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		s.forget(now)
		if len(s.entries) >= t.most {
			return t.overflowing(hash / shards % overflow)
		}
		e = t.newEntry()
		s.entries[key] = e
	}
	e.users++
	return e
}

// release lets e be forgotten, a minute after the last has released it.
func (t *table[K]) release(key K, e *entry, now time.Time) {
	s := &t.shards[maphash.Comparable(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] == e { // otherwise it is one of those that are shared
		e.users--
		e.left = now
	}
}

// forget looks at a few entries, wherever the map begins this time.
func (s *tableShard[K]) forget(now time.Time) {
	glance := 0
	for key, e := range s.entries {
		if e.users == 0 && now.Sub(e.left) > idle {
			delete(s.entries, key)
		}
		if glance++; glance == glances {
			return
		}
	}
}

func (t *table[K]) overflowing(i uint64) *entry {
	if e := t.shared[i].Load(); e != nil {
		return e
	}
	t.shared[i].CompareAndSwap(nil, t.newEntry())
	return t.shared[i].Load()
}

func (t *table[K]) newEntry() *entry {
	e := &entry{newSessions: t.newSessions.limiter(), newConnections: t.newConnections.limiter()}
	for k, r := range t.rates.each() {
		e.rates[k] = r.limiter()
	}
	return e
}

// size is how many entries there are, without those that are shared.
func (t *table[K]) size() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}
