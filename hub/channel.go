// A channel: its members, and the fan-out to them.

package hub

import (
	"context"
	"hash/maphash"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// channel is a name that somebody is subscribed to.
type channel struct {
	name  string
	rule  *Rule
	tally *tally
	refs  int // subscriptions and those on their way; guarded by the shard's lock

	attempts atomic.Uint32 // that the broker has refused, or not answered
	attach   sync.Mutex    // held while the broker is told; no other lock is held then
	attached bool          // the broker delivers
	refused  error         // why the last attempt came to nothing

	mu       sync.Mutex // guards what follows, and makes the order: whoever holds it is next at every receiver
	known    bool       // position is
	position Position   // of what was handed out last
	members  []member
	lags     lags // at the last publication
	watching int  // subscriptions that asked for presence
	told     int  // subscriptions that Options.Watch was told of
	crowd    crowd
	healing  *healing    // a hole is being filled; nil if there is none
	retry    *time.Timer // until that is tried again; nil if it is not to be
}

// member is a subscription together with what the fan-out needs, in one array.
type member struct {
	receiver Receiver
	*subscription
	from uint64 // the first offset that is handed over at once; behind if the subscription is not up to date
}

const behind = math.MaxUint64

// lags counts members that read more slowly than is published, those of them that are worth waiting for, and those that were not
// handed the publication.
type lags struct{ lagging, late, missed int }

// parallel is how many members are worth a goroutine of their own.
const parallel = 4096

func (h *Hub) shard(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%uint64(len(h.shards))]
}

// channel returns the channel if somebody is subscribed to it, or nil.
func (h *Hub) channel(name string) *channel {
	sh := h.shard(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.channels[name]
}

// acquire returns the channel, which stays until it is released as often.
func (h *Hub) acquire(name string) *channel {
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch := sh.channels[name]
	if ch == nil {
		ch = &channel{name: name, rule: h.Rule(name), tally: &sh.tally}
		sh.channels[name] = ch
	}
	ch.refs++
	return ch
}

// release gives an acquired channel up; the last one has the broker forget it.
func (h *Hub) release(ch *channel) {
	if h.count(ch, -1) > 0 {
		return
	}
	ch.attach.Lock()
	defer ch.attach.Unlock()
	if h.count(ch, 0) > 0 { // somebody came
		return
	}
	if ch.attached {
		h.broker.Unsubscribe(ch.name)
		ch.attached = false
		ch.mu.Lock()
		ch.known = false // whoever comes now comes to where the broker is then
		ch.mu.Unlock()
	}
	sh := h.shard(ch.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if ch.refs == 0 && sh.channels[ch.name] == ch {
		delete(sh.channels, ch.name)
	}
}

func (h *Hub) count(ch *channel, change int) int {
	sh := h.shard(ch.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch.refs += change
	return ch.refs
}

// subscribeNode has the broker deliver the channel, if it does not yet. With a broker beyond a network, whoever waits for another's
// subscribing waits no longer than ctx says.
func (h *Hub) subscribeNode(ctx context.Context, ch *channel) error {
	if !h.broker.Remote() {
		return h.attach(ctx, ch, ch.attempts.Load())
	}
	attempts := ch.attempts.Load()
	h.count(ch, +1) // for the goroutine, which may outlive this call
	done := make(chan error, 1)
	started := h.work(func() {
		defer h.release(ch)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(h.ctx, cancel)()
		done <- h.attach(ctx, ch, attempts)
	})
	if !started {
		h.release(ch)
		return ErrShutdown
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attach is one attempt to have the broker deliver the channel, unless one has failed since there were so many: whoever has waited for that shares
// its error. Otherwise those who wait would have to, one after the other, for a broker that does not answer.
func (h *Hub) attach(ctx context.Context, ch *channel, attempts uint32) error {
	ch.attach.Lock()
	defer ch.attach.Unlock()
	if ch.attached {
		return nil
	}
	if err := ctx.Err(); err != nil { // it was somebody else's turn for too long
		return err
	}
	if ch.refused != nil && ch.attempts.Load() != attempts {
		return ch.refused
	}
	position, err := h.broker.Subscribe(ctx, ch.name, ch.rule.History)
	if err != nil {
		if ctx.Err() == nil { // otherwise it is about this client alone
			ch.refused = err
			ch.attempts.Add(1)
		}
		return err
	}
	ch.attached, ch.refused = true, nil
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.known || ch.position.Epoch == position.Epoch && ch.position.Offset < position.Offset {
		ch.position, ch.known = position, true // unless deliveries have come further already
	}
	return nil
}

// fanOut hands p to every member. Called with the channel's lock, like all below.
func (ch *channel) fanOut(p *Publication) {
	ch.position = p.Position()
	ch.handAll(p)
	if n := uint64(len(ch.members) - ch.lags.missed); n > 0 {
		ch.tally.deliveries.Add(n)
		ch.tally.deliveredBytes.Add(n * uint64(len(p.Payload)))
	}
}

func (ch *channel) handAll(p *Publication) {
	parts := min(len(ch.members)/parallel, runtime.GOMAXPROCS(0))
	if parts < 2 {
		ch.lags = hand(p, ch.members)
		return
	}
	var wait sync.WaitGroup
	found := make([]lags, parts)
	for i := range parts {
		part := ch.members[i*len(ch.members)/parts : (i+1)*len(ch.members)/parts]
		wait.Go(func() { found[i] = hand(p, part) })
	}
	wait.Wait()
	ch.lags = lags{}
	for _, l := range found {
		ch.lags.lagging += l.lagging
		ch.lags.late += l.late
		ch.lags.missed += l.missed
	}
}

// hand gives p to some members, and returns how many of them lag.
func hand(p *Publication, members []member) (l lags) {
	for done := 0; done < len(members); {
		done += handOn(p, members[done:], &l)
	}
	return l
}

// handOn is hand until a receiver panics, and returns how many it got to. It adds to l.
func handOn(p *Publication, members []member, l *lags) (got int) {
	defer func() {
		if got < len(members) {
			members[got].session.broken(recover())
			got++
		}
	}()
	for ; got < len(members); got++ {
		m := &members[got]
		if p.Offset < m.from {
			if m.from == behind {
				m.missed(p)
				l.lagging++
			}
			l.missed++
			continue
		}
		switch m.receiver.Receive(p) {
		case Late:
			l.late++
			l.lagging++
			m.fellBehind(m)
		case Overdue:
			l.lagging++
			m.fellBehind(m)
		}
	}
	return got
}

// tellWatchers gives a notice to the members that asked for presence.
func (ch *channel) tellWatchers(n *Notice) {
	n.Channel = ch.name
	for i := range ch.members {
		if m := &ch.members[i]; m.watches {
			m.notify(n)
		}
	}
}

func (ch *channel) add(sub *subscription, from uint64) {
	sub.at = int32(len(ch.members))
	sub.joined = true
	ch.members = append(ch.members, member{sub.session.receiver, sub, from})
	if sub.watches {
		ch.watching++
	}
	sub.tell(Joined)
}

// remove takes sub out and puts the last member in its place.
func (ch *channel) remove(sub *subscription) {
	last := len(ch.members) - 1
	moved := ch.members[last]
	ch.members[sub.at], moved.at = moved, sub.at
	ch.members[last] = member{}
	ch.members = ch.members[:last]
	if cap(ch.members) > 64 && len(ch.members) < cap(ch.members)/4 {
		ch.members = append(make([]member, 0, len(ch.members)*2), ch.members...)
	}
	sub.joined = false
	if sub.watches {
		ch.watching--
	}
	sub.tell(Left)
}

// Subscribers returns how many sessions of this node are subscribed to a channel.
func (h *Hub) Subscribers(name string) int {
	n, _ := h.audience(name)
	return n
}

// SessionsIn returns the sessions of this node that are subscribed to a channel, in no order.
func (h *Hub) SessionsIn(name string) []*Session {
	ch := h.channel(name)
	if ch == nil {
		return nil
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	all := make([]*Session, len(ch.members))
	for i := range ch.members {
		all[i] = ch.members[i].session
	}
	return all
}

// audience is how many are subscribed, and how many of them lag.
func (h *Hub) audience(name string) (subscribers int, l lags) {
	ch := h.channel(name)
	if ch == nil {
		return 0, lags{}
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.members), ch.lags
}

// Channels calls yield for the channels of this node with somebody subscribed, in no order, until it returns false.
func (h *Hub) Channels(yield func(name string, subscribers int) bool) {
	for i := range h.shards {
		for _, ch := range h.shards[i].all() {
			ch.mu.Lock()
			n := len(ch.members)
			ch.mu.Unlock()
			if n > 0 && !yield(ch.name, n) {
				return
			}
		}
	}
}

func (sh *shard) all() []*channel {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	all := make([]*channel, 0, len(sh.channels))
	for _, ch := range sh.channels {
		all = append(all, ch)
	}
	return all
}
