// The sessions of a server, by their ids.

package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	shards = 64
	// secretBytes is how much of an id is random, and secretLength its length in the id.
	secretBytes  = 18
	secretLength = secretBytes / 3 * 4
	// nodeMark stands between the random part of an id and the node's name.
	nodeMark = '.'
)

// sessions are those that requests can find. Each shard has a lock of its own.
type sessions struct {
	seed   maphash.Seed
	limit  int64
	live   atomic.Int64 // handshakes under way, and sessions whose Close has not returned
	closed atomic.Bool  // no more are added
	shards [shards]struct {
		mu  sync.RWMutex // guards all
		all map[string]*Conn
	}
}

func (s *sessions) init(limit int) {
	s.seed, s.limit = maphash.MakeSeed(), int64(limit)
	for i := range s.shards {
		s.shards[i].all = make(map[string]*Conn)
	}
}

// reserve makes room for a session. release gives it back.
func (s *sessions) reserve() *refusal {
	if s.closed.Load() {
		return refuseStopping
	}
	if n := s.live.Add(1); n > s.limit {
		s.release()
		return refuseFull
	}
	return nil
}

func (s *sessions) release() { s.live.Add(-1) }

// add returns false once the server is shutting down.
func (s *sessions) add(c *Conn) bool {
	shard := &s.shards[s.shardOf(c.id)]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	shard.all[c.id] = c
	return true
}

func (s *sessions) find(id string) *Conn {
	shard := &s.shards[s.shardOf(id)]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.all[id]
}

func (s *sessions) forget(c *Conn) {
	shard := &s.shards[s.shardOf(c.id)]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.all, c.id)
}

// everyone is all sessions.
func (s *sessions) everyone() []*Conn {
	var all []*Conn
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.RLock()
		for _, c := range shard.all {
			all = append(all, c)
		}
		shard.mu.RUnlock()
	}
	return all
}

func (s *sessions) shardOf(id string) uint64 { return maphash.String(s.seed, id) % shards }

// newID returns a new session id: 144 random bits, and the node's name if it has one.
func newID(node string) string {
	var secret [secretBytes]byte
	rand.Read(secret[:]) // never fails
	b := make([]byte, 0, secretLength+1+len(node))
	b = base64.RawURLEncoding.AppendEncode(b, secret[:])
	if node != "" {
		b = append(append(b, nodeMark), node...)
	}
	return string(b)
}

// NodeOf is the node's name in a session id: the Options.Node of the server that the session lives on. ok is false for what is no id of
// any server of this package; name is empty for one of a server without a name.
func NodeOf(id string) (name string, ok bool) {
	if len(id) < secretLength || !nodeName(id[:secretLength]) {
		return "", false
	}
	if len(id) == secretLength {
		return "", true
	}
	name = id[secretLength+1:]
	return name, id[secretLength] == nodeMark && name != "" && nodeName(name)
}

// nodeName reports whether a name can stand in an id.
func nodeName(name string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return strings.Trim(name, allowed) == ""
}
