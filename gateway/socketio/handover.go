// Recovery on another node while the one that the client left lives: that hands over what it has, also what came for the socket since, and also when it
// has not noticed yet that the client has gone.

package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
	// searchPatience is how long nodes are waited for that are to say whether they have a client's socket.
	searchPatience = time.Second
	// silence is how long one that did not say is waited for no more.
	silence = 10 * time.Second
	// maxSearches is how many clients are searched for at once; others wait, as long as one search may take.
	maxSearches = 32
	// rosterAge is how old the list of nodes may be by which clients are searched for.
	rosterAge = time.Second
)

// claimant is a client that says it was here before.
type claimant struct{ pid, namespace, user string }

// searches are those under way.
type searches struct {
	places chan struct{} // holds one for each

	mu     sync.Mutex           // guards what follows
	roster []string             // the other nodes
	as     time.Time            // of when
	silent map[string]time.Time // nodes that said nothing, until when that counts
}

func (w *searches) init() {
	w.places, w.silent = make(chan struct{}, maxSearches), make(map[string]time.Time)
}

// pidSize is how long pids are; others are nobody's.
var pidSize = len(newPID())

// search asks the other nodes for what they have of a client, and reports whether it is here now.
func (s *Server) search(ctx context.Context, c *claimant) (found bool) {
	if s.options.Cluster == nil || len(c.pid) != pidSize {
		return false
	}
	queue := time.NewTimer(searchPatience)
	defer queue.Stop()
	select {
	case s.searches.places <- struct{}{}:
		defer func() { <-s.searches.places }()
	case <-queue.C:
		return false
	case <-ctx.Done():
		return false
	}
	nodes := s.searches.worthAsking(ctx, s.options.Cluster)
	return len(nodes) > 0 && s.fetchFrom(ctx, nodes, c, false)
}

// isElsewhere tells whether a node is another one, and lives.
func (s *Server) isElsewhere(ctx context.Context, node string) bool {
	cluster := s.options.Cluster
	return cluster != nil && node != cluster.Node() && slices.Contains(s.searches.worthAsking(ctx, cluster), node)
}

// worthAsking are the other nodes without those that were silent lately.
func (w *searches) worthAsking(ctx context.Context, cluster Cluster) (nodes []string) {
	w.mu.Lock()
	roster, as := w.roster, w.as
	w.mu.Unlock()
	if time.Since(as) > rosterAge {
		now, err := cluster.Others(ctx)
		if err != nil {
			return nil
		}
		roster = now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(as) > rosterAge {
		w.roster, w.as = roster, time.Now()
	}
	return slices.DeleteFunc(slices.Clone(roster), func(node string) bool { return time.Now().Before(w.silent[node]) })
}

// hush notes nodes that said nothing.
func (w *searches) hush(nodes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for node, until := range w.silent {
		if time.Now().After(until) {
			delete(w.silent, node)
		}
	}
	for _, node := range nodes {
		w.silent[node] = time.Now().Add(silence)
	}
}

// fetchFrom has nodes hand over what one of them has of a client, and reports whether it is here now.
// stored says that it was in the store, too, and is not any more.
func (s *Server) fetchFrom(ctx context.Context, nodes []string, c *claimant, stored bool) bool {
	question, err := json.Marshal(nodeMessage{Namespace: c.namespace, Do: handOver, PID: c.pid, User: c.user, Stored: stored})
	if err != nil {
		return false
	}
	within, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	patience := time.AfterFunc(searchPatience, cancel)
	defer patience.Stop()
	var handed json.RawMessage
	known := false
	missing := s.options.Cluster.Ask(within, nodes, question, func(_ string, part []byte) bool {
		var a nodeAnswer
		if json.Unmarshal(part, &a) == nil && a.Here { // it may take a while
			patience.Stop()
			known = true
		}
		handed = a.Handed
		return handed == nil
	})
	if !known && ctx.Err() == nil { // otherwise it was the client that had no time
		s.searches.hush(missing)
	}
	var one saved
	if handed == nil || json.Unmarshal(handed, &one) != nil || one.PID != c.pid {
		return false
	}
	s.keeper.bring(one.load())
	return true
}

// giveAway hands over to another node what is here of a client that has come there.
func (s *Server) giveAway(ctx context.Context, m *nodeMessage, part func(*nodeAnswer) error) error {
	if s.keeper == nil {
		return nil
	}
	old, live := s.keeper.holder(m.PID, m.Namespace, m.User)
	if !live && !s.keeper.holds(m.PID) {
		return nil
	}
	if err := part(&nodeAnswer{Here: true}); err != nil {
		return err
	}
	if live {
		old.giveUp(ctx)
	}
	a := s.keeper.give(m.PID, m.Namespace, m.User)
	if a == nil {
		return nil
	}
	if s.keeper.options.Store != nil && !m.Stored { // it has got there since; see keep
		s.takeStored(ctx, m.PID)
	}
	text, err := json.Marshal(a.save())
	if err == nil {
		err = part(&nodeAnswer{Here: true, Handed: text})
	}
	if err != nil {
		s.log.Warn("a client that has come to another node begins anew there: what is kept of it could not be handed over", "socket", a.id, "cause", err)
	}
	return err
}

// give takes away what is kept of a client; nil if there is nothing, or it is somebody else's.
func (k *keeper) give(pid, namespace, user string) *away {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purge()
	a := k.gone[pid]
	if a == nil || a.namespace != namespace || a.user != user {
		return nil
	}
	k.remove(a)
	return a
}

// signed is what is kept of a socket, with the name of this node.
func (s *Server) signed(a *away) *saved {
	one := a.save()
	if s.options.Cluster != nil {
		one.Node = s.options.Cluster.Node()
	}
	return &one
}

// strays are the events that came for ids which are not here, while clients were on their way from other nodes: they are for one of those, perhaps, and
// came too late to the node that it left. The keeper's lock guards them.
type strays struct {
	seeking int // clients on their way
	all     []stray
	bytes   int
}

type stray struct {
	name string // as in keeper.named
	*ownEvent
}

// Bounds of strays; the oldest are forgotten.
const (
	maxStrays     = 1024
	maxStrayBytes = 1 << 20
)

// seek counts how many more clients are on their way.
func (k *keeper) seek(more int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.strays.seeking += more; k.strays.seeking == 0 {
		k.strays = strays{}
	}
}

func (w *strays) add(name string, e *ownEvent) {
	if w.seeking == 0 {
		return
	}
	w.all = append(w.all, stray{name, e})
	w.bytes += e.size()
	for len(w.all) > maxStrays || w.bytes > maxStrayBytes {
		w.bytes -= w.all[0].size()
		w.all = w.all[1:]
	}
}

// join has what came for a socket in its trail, unless it was there already.
func (w *strays) join(name string, t *trail) {
	for _, one := range w.all {
		if one.name == name && !slices.Contains(t.marks(), one.mark) {
			t.sent(one.ownEvent, true, never)
		}
	}
	t.trim(0)
}

// marks are those of the events in the trail that were no publications.
func (t *trail) marks() (all []uint64) {
	for i := range t.runs {
		if r := &t.runs[i]; r.channel == "" {
			all = append(all, r.last)
		}
	}
	return all
}

// repeated tells whether an event came to the node that the socket was on, so that it is to come here no more.
func (m *memory) repeated(e *ownEvent) bool { return m != nil && slices.Contains(m.had, e.mark) }
