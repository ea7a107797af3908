// What is kept of sockets whose clients have gone, so that they can go on where they were.

package socketio

import (
	"cmp"
	"container/list"
	"crypto/rand"
	"sync"
	"time"
)

// maxKeptBytes is how many bytes of events are kept for sockets that are away; publications are not among them, which history has.
const maxKeptBytes = 64 << 20

// newPID makes the secret by which a client claims what is kept of it.
func newPID() string { return rand.Text() }

// away is what is kept of a socket.
type away struct {
	pid, id, namespace, user string
	data                     map[string]any
	trail                    trail
	until                    time.Time
	place                    *list.Element
}

// holder is who has a pid now: a socket that is connected, or about to go on where another was.
type holder struct {
	*Socket
	*memory
}

// keeper keeps sockets that are away, and knows those of this node that are here. A nil keeper keeps nothing.
type keeper struct {
	options Recovery

	mu     sync.Mutex // guards what follows; taken after the lock of a socket
	here   map[string]holder
	gone   map[string]*away // by pid
	named  map[string]*away // the same, by namespace and id
	bytes  int              // of events that their trails hold
	oldest list.List        // the same, the one that went first in front
}

func newKeeper(o Recovery) *keeper {
	o.MaxDisconnection = cmp.Or(o.MaxDisconnection, DefaultMaxDisconnection)
	o.MaxKept = cmp.Or(o.MaxKept, DefaultMaxKept)
	return &keeper{options: o, here: make(map[string]holder), gone: make(map[string]*away), named: make(map[string]*away)}
}

// recoverable tells whether a client whose connection ended like this may go on.
func recoverable(reason string) bool { return reason != clientDisconnect && reason != serverDisconnect }

func fullName(namespace, id string) string { return namespace + "," + id }

// live notes that a socket is here.
func (k *keeper) live(s *Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.here[s.pid] = holder{s, s.memory}
}

// drop is called with the lock.
func (k *keeper) drop(m *memory) {
	if k.here[m.pid].memory == m {
		delete(k.here, m.pid)
	}
}

// keep takes what a socket has left behind, if its client may come back, and returns a copy; otherwise nil.
func (k *keeper) keep(s *Socket) *away {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = true
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(s.memory)
	if !recoverable(s.reason) {
		return nil
	}
	a := &away{pid: s.pid, id: s.id, namespace: s.nsp, user: s.user, data: s.data, trail: s.trail, until: time.Now().Add(k.options.MaxDisconnection).Round(0)}
	k.put(a)
	return a.clone()
}

func (k *keeper) add(a *away) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(a)
}

// put is called with the lock. It makes room, by what went first.
func (k *keeper) put(a *away) {
	now := time.Now()
	for front := k.oldest.Front(); front != nil; front = k.oldest.Front() {
		first := front.Value.(*away)
		if len(k.gone) < k.options.MaxKept && k.bytes < maxKeptBytes && now.Before(first.until) {
			break
		}
		k.remove(first)
	}
	if before := k.gone[a.pid]; before != nil {
		k.remove(before)
	}
	k.bytes += a.trail.bytes
	a.place = k.oldest.PushBack(a)
	k.gone[a.pid], k.named[fullName(a.namespace, a.id)] = a, a
}

// remove is called with the lock.
func (k *keeper) remove(a *away) {
	k.oldest.Remove(a.place)
	k.bytes -= a.trail.bytes
	delete(k.gone, a.pid)
	delete(k.named, fullName(a.namespace, a.id))
}

// holder returns who has a pid, if that is the user's.
func (k *keeper) holder(pid, namespace, user string) (h holder, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok = k.here[pid]
	return h, ok && h.nsp == namespace && h.memory.user == user
}

// take gives what is kept under a pid to a socket, which has the pid from now on.
func (k *keeper) take(pid string, s *Socket, user string) (a *away, m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a = k.gone[pid]
	if a == nil || a.namespace != s.nsp || a.user != user || time.Now().After(a.until) {
		return nil, nil
	}
	k.remove(a)
	m = &memory{pid: pid, user: user, finished: make(chan struct{})}
	k.here[pid] = holder{s, m}
	return a, m
}

// fail gives up a pid of which nothing came.
func (k *keeper) fail(m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(m)
	m.leave()
}

// deliver keeps an event for a socket that is away, and reports whether there is one.
func (k *keeper) deliver(id, namespace string, e *ownEvent) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.named[fullName(namespace, id)]
	if a == nil || time.Now().After(a.until) {
		return false
	}
	k.bytes -= a.trail.bytes
	a.trail.sent(e, true, never)
	a.trail.trim(0)
	k.bytes += a.trail.bytes
	return true
}

// has tells whether a socket is away.
func (k *keeper) has(id, namespace string) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.named[fullName(namespace, id)] != nil
}

func (k *keeper) count() int {
	if k == nil {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.gone)
}
