// Recovery on another node: what is kept of a socket that is away lies where all nodes find it.

package socketio

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"
)

// Store keeps small values for all nodes of a server; [hub.Cluster] is one. A value that is taken is gone, and of several who take it at
// the same time one gets it.
type Store interface {
	Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Take(ctx context.Context, key string) (value []byte, ok bool, err error)
}

const (
	// storeTimeout is how long the end of a socket, or the claim of a client, waits for the store.
	storeTimeout = 3 * time.Second
	// maxStored is the largest value, in bytes; a socket with more data begins anew elsewhere.
	maxStored = 1 << 20
)

// storeKey is where what is kept under a pid lies.
func storeKey(pid string) string { return "socketio/" + pid }

// firstMark is where a server's marks begin. Nodes that share a store must not give the same, so each begins somewhere; the rest of the
// range is more than any of them will need.
func firstMark() uint64 { return rand.Uint64() >> 8 }

// keep keeps what a socket has left behind, for this node and for the others. It may wait for the store, and is called before anybody
// hears that the socket is gone: whoever waits for that finds it there.
func (s *Server) keep(socket *Socket) {
	defer s.keeper.left(socket.memory)
	a := s.keeper.keep(socket)
	if a == nil || s.keeper.options.Store == nil {
		return
	}
	text, err := json.Marshal(s.signed(a))
	if err != nil || len(text) > maxStored {
		s.keeper.unstored(a.pid)
		s.log.Warn("a client begins anew if this node is no more when it comes back: what is kept of it is too large for the store, or no JSON", "socket", a.id, "bytes", len(text), "cause", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout) // also when the server is about to end
	defer cancel()
	if err := s.keeper.options.Store.Keep(ctx, storeKey(a.pid), text, s.keeper.options.MaxDisconnection); err != nil {
		s.keeper.unstored(a.pid)
		s.log.Warn("a client begins anew if this node is no more when it comes back: what is kept of it did not get to the store", "socket", a.id, "cause", err)
	} else if s.options.Cluster != nil && !s.keeper.holds(a.pid) { // it was handed over meanwhile
		s.takeStored(ctx, a.pid)
	}
}

// fetch brings what is kept of a client to this node, and reports whether it may be here. With a store that decides, unless another node has it: what
// lies here may be from before the client was there.
func (s *Server) fetch(ctx context.Context, c *claimant) bool {
	store := s.keeper.options.Store
	if store == nil {
		if !s.keeper.holds(c.pid) {
			s.search(ctx, c)
		}
		return true
	}
	one := s.takeStored(ctx, c.pid)
	elsewhere := one != nil && s.isElsewhere(ctx, one.Node)
	switch {
	case elsewhere && s.fetchFrom(ctx, []string{one.Node}, c, true): // with what came since
		return true
	case one == nil && s.keeper.isHereAlone(c.pid):
		return true
	case (one == nil || elsewhere) && s.search(ctx, c):
		return true
	case one == nil:
		s.keeper.discard(c.pid)
		return false
	}
	s.keeper.bring(one.load())
	return true
}

// takeStored takes what the store has under a pid; nil if there is nothing.
func (s *Server) takeStored(ctx context.Context, pid string) *saved {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	text, ok, err := s.keeper.options.Store.Take(ctx, storeKey(pid))
	if err != nil {
		s.log.Warn("the store cannot be asked for a client that comes back", "cause", err)
	}
	var one saved
	if err != nil || !ok || json.Unmarshal(text, &one) != nil || one.PID != pid {
		return nil
	}
	return &one
}

// bring takes what the store or another node had, unless it is what lies here: that has also what came since.
func (k *keeper) bring(a *away) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if here := k.gone[a.pid]; here == nil || !here.until.Equal(a.until) {
		k.strays.join(fullName(a.namespace, a.id), &a.trail)
		a.had = a.trail.marks()
		k.put(a)
	}
}

// unstored notes that what lies here under a pid is not in the store.
func (k *keeper) unstored(pid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.gone[pid]; a != nil {
		a.alone = true
	}
}

// isHereAlone tells whether something lies here under a pid that is not in the store: nobody can have taken it.
func (k *keeper) isHereAlone(pid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	a := k.gone[pid]
	return a != nil && a.alone
}

// discard removes what lies here under a pid.
func (k *keeper) discard(pid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.gone[pid]; a != nil {
		k.remove(a)
	}
}

// holds tells whether something lies here under a pid.
func (k *keeper) holds(pid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	return k.gone[pid] != nil
}
