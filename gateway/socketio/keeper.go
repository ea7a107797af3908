// What is kept of sockets whose clients have gone, so that they can go on where they were.

package socketio

import (
	"cmp"
	"container/list"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

// maxKeptBytes is how many bytes are kept for sockets that are away; publications are not among them, which history has.
const maxKeptBytes = 64 << 20

// What one costs that is kept, about, beside what it holds.
const (
	awayBytes  = 512
	placeBytes = 96
	runBytes   = 80
	valueBytes = 64 // of data; texts and bytes are counted
)

// newPID makes the secret by which a client claims what is kept of it.
func newPID() string { return rand.Text() }

// away is what is kept of a socket.
type away struct {
	pid, id, namespace, user string
	data                     map[string]any // nobody else's
	trail                    trail
	tries                    tries
	until                    time.Time

	place   *list.Element // nil while a client that comes back has claimed it
	charged int           // bytes
	parked  []*ownEvent   // what came for it since it was claimed
	waiting int           // bytes of parked
	lost    bool          // there was too much of that
	alone   bool          // it is not in the store, where it should be
	had     []uint64      // marks of what came for it on another node, which may still come here
}

// size is what it is charged.
func (a *away) size() int {
	n := awayBytes + a.trail.bytes + runBytes*len(a.trail.runs)
	for _, p := range a.trail.rooms {
		n += placeBytes + len(p.channel)
	}
	for key, value := range a.data {
		n += valueBytes + len(key)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case json.RawMessage:
			n += len(v)
		}
	}
	return n
}

// holder is who has a pid now: a socket that is connected, or about to go on where another was.
type holder struct {
	*Socket
	*memory
}

// whose is the user to whom the socket belongs, which an anonymous client may have become meanwhile.
func (h holder) whose() string {
	if session := h.session.Load(); session != nil {
		return session.User()
	}
	return h.memory.user
}

// keeper keeps sockets that are away, and knows those of this node that are here. A nil keeper keeps nothing.
type keeper struct {
	options Recovery

	mu     sync.Mutex // guards what follows; taken after the lock of a socket
	here   map[string]holder
	gone   map[string]*away // by pid
	named  map[string]*away // the same, and those that are claimed, by namespace and id
	bytes  int              // what those in gone are charged
	oldest list.List        // the same, the one that went first in front
	timer  *time.Timer      // forgets what is out of date; nil if nothing is kept
	strays strays
}

func newKeeper(o Recovery) *keeper {
	o.MaxDisconnection = cmp.Or(o.MaxDisconnection, DefaultMaxDisconnection)
	o.MaxKept = cmp.Or(o.MaxKept, DefaultMaxKept)
	return &keeper{options: o, here: make(map[string]holder), gone: make(map[string]*away), named: make(map[string]*away)}
}

// recoverable tells whether a client whose connection ended like this may go on: neither one that has left or was sent away, nor one that has
// broken the protocol.
func recoverable(reason string) bool {
	switch engineio.Reason(reason) {
	case engineio.TransportClose, engineio.TransportError, engineio.PingTimeout, engineio.ForcedClose, engineio.ServerShutdown:
		return true
	}
	return false
}

func fullName(namespace, id string) string { return namespace + "," + id }

// live notes that a socket is here. It returns what came for it while it was on its way, and false if that was too much to be all.
func (k *keeper) live(s *Socket) (parked []*ownEvent, all bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.here[s.pid] = holder{s, s.memory}
	return k.unclaim(s.memory)
}

// unclaim is called with the lock: from now on nothing is parked any more.
func (k *keeper) unclaim(m *memory) (parked []*ownEvent, all bool) {
	a := m.claimed
	if a == nil {
		return nil, true
	}
	m.claimed = nil
	if name := fullName(a.namespace, a.id); k.named[name] == a {
		delete(k.named, name)
	}
	return a.parked, !a.lost
}

// drop is called with the lock.
func (k *keeper) drop(m *memory) {
	if k.here[m.pid].memory == m {
		delete(k.here, m.pid)
	}
}

// keep takes what a socket has left behind, if its client may come back, and returns a copy; otherwise nil. Until left, who claims the pid waits for
// what else there is to do.
func (k *keeper) keep(s *Socket) *away {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = true
	k.mu.Lock()
	defer k.mu.Unlock()
	user := holder{s, s.memory}.whose()
	parked, _ := k.unclaim(s.memory)
	if !recoverable(s.reason) {
		return nil
	}
	for _, e := range parked {
		s.trail.sent(e, true, never)
	}
	s.trail.trim(0)
	until := time.Now().Add(k.options.MaxDisconnection).Round(0) // as it is read back
	a := &away{pid: s.pid, id: s.id, namespace: s.nsp, user: user, data: maps.Clone(s.data), trail: s.trail, tries: s.tries, until: until}
	k.put(a)
	return a.clone()
}

// left ends keep.
func (k *keeper) left(m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(m)
}

func (k *keeper) add(a *away) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(a)
}

// put is called with the lock. Of two with one name the later is kept.
func (k *keeper) put(a *away) {
	for _, before := range []*away{k.gone[a.pid], k.named[fullName(a.namespace, a.id)]} {
		if before != nil && before.place != nil {
			k.remove(before)
		}
	}
	a.place = k.oldest.PushBack(a)
	k.gone[a.pid], k.named[fullName(a.namespace, a.id)] = a, a
	k.charge(a)
	if k.timer == nil {
		k.timer = time.AfterFunc(k.options.MaxDisconnection, k.expire)
	}
}

// charge counts what one has become, and makes room by those that went first. It is called with the lock.
func (k *keeper) charge(a *away) {
	k.bytes -= a.charged
	a.charged = a.size()
	k.bytes += a.charged
	for k.oldest.Len() > 0 && (len(k.gone) > k.options.MaxKept || k.bytes > maxKeptBytes) {
		k.remove(k.oldest.Front().Value.(*away))
	}
}

// remove is called with the lock.
func (k *keeper) remove(a *away) {
	k.forget(a)
	delete(k.named, fullName(a.namespace, a.id))
}

// forget is remove, but what is sent to the id still finds it.
func (k *keeper) forget(a *away) {
	k.oldest.Remove(a.place)
	k.bytes -= a.charged
	a.place, a.charged = nil, 0
	delete(k.gone, a.pid)
}

// expire forgets what is out of date.
func (k *keeper) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	if k.timer = nil; k.oldest.Len() > 0 {
		k.timer = time.AfterFunc(time.Until(k.oldest.Front().Value.(*away).until), k.expire)
	}
}

// purge is expire, with the lock.
func (k *keeper) purge() {
	now := time.Now()
	for front := k.oldest.Front(); front != nil; front = k.oldest.Front() {
		first := front.Value.(*away)
		if now.Before(first.until) {
			return
		}
		k.remove(first)
	}
}

// holder returns who has a pid, if that is the user's.
func (k *keeper) holder(pid, namespace, user string) (h holder, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok = k.here[pid]
	return h, ok && h.nsp == namespace && h.whose() == user
}

// take gives what is kept under a pid to a socket, which has the pid from now on. Until [keeper.live], what comes for the id is parked.
func (k *keeper) take(pid string, s *Socket, user string) (a *away, m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	a = k.gone[pid]
	if a == nil || a.namespace != s.nsp || a.user != user {
		return nil, nil
	}
	k.forget(a)
	m = &memory{pid: pid, user: user, tries: a.tries, claimed: a, had: a.had, finished: make(chan struct{})}
	k.here[pid] = holder{s, m}
	return a, m
}

// fail gives up a pid of which nothing came.
func (k *keeper) fail(m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(m)
	k.unclaim(m)
	m.leave()
}

// renew gives another pid. It is called with the lock of the socket.
func (k *keeper) renew(m *memory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(m)
	m.pid = newPID()
}

// deliver keeps an event for a socket that is away or on its way back, and reports whether there is one.
func (k *keeper) deliver(id, namespace string, e *ownEvent) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	name := fullName(namespace, id)
	a := k.named[name]
	switch {
	case a == nil:
		k.strays.add(name, e)
		return false
	case slices.Contains(a.had, e.mark):
	case a.place == nil:
		a.park(e)
	default:
		a.trail.sent(e, true, never)
		a.trail.trim(0)
		k.charge(a)
	}
	return true
}

// park keeps an event for a socket that is on its way back.
func (a *away) park(e *ownEvent) {
	if a.waiting += e.size(); a.waiting > maxTrailBytes || len(a.parked) >= maxRuns {
		a.lost = true
		return
	}
	a.parked = append(a.parked, e)
}

// has tells whether a socket is away or on its way back.
func (k *keeper) has(id, namespace string) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	return k.named[fullName(namespace, id)] != nil
}

func (k *keeper) count() int {
	if k == nil {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	return len(k.gone)
}
