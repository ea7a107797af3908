// Reading a log: applying its records, and finding out where it is if it is not what it was.

package rabbitmq

import (
	"cmp"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// errReplay ends a session whose log is not what this node has read before: it is read again from its beginning.
var errReplay = errors.New("the log has changed; it is read again from its beginning")

var hashSeed = maphash.MakeSeed()

// loading is what is known of a log that is not followed yet.
type loading struct {
	first    *uint64   // the position of the first record that came in this session
	verified bool      // it is the log that was read before
	buffered []logged  // records that wait for a snapshot
	parts    collector // of snapshots
	met      bool      // the barrier has come, and there was no snapshot before it
	waited   int       // heartbeats since then
	suspect  bool      // nothing comes of a log that was read before
	buried   bool      // the others hold this node for dead
	anew     bool      // deliveries were missed: the hub must compare
	renewing bool      // a reset must come before the log is followed

	// What the state was before the log was found to be another, if it was.
	ahead       *mark
	incarnation string
	found       bool // the record at ahead is in the log all the same
}

type logged struct {
	at   uint64
	rec  *record
	hash uint64
	size int
}

func (l *loading) begin() {
	*l = loading{parts: make(collector), anew: l.anew, ahead: l.ahead, incarnation: l.incarnation}
}

// read takes a record of the log. It is called by one goroutine at a time.
func (p *partition) read(at uint64, body []byte) error {
	rec, err := decodeRecord(body)
	if err != nil {
		p.broker.unreadable(err)
		return nil // every node skips it
	}
	l := logged{at, rec, maphash.Bytes(hashSeed, body), len(body)}
	p.mu.Lock()
	if p.first == nil {
		p.first = &at
	}
	switch {
	case p.state != nil && !p.verified:
		err := p.verify(l)
		p.mu.Unlock()
		return err
	case p.state != nil && at <= p.mark.at:
		p.mu.Unlock()
		return nil
	}
	p.found = p.found || p.ahead != nil && *p.ahead == mark{at, l.hash}
	p.mu.Unlock()
	if p.state == nil && at != 0 { // state is only changed by this goroutine
		return p.load(l)
	}
	p.mu.Lock()
	if p.state == nil {
		p.state, p.verified = newState(), true
	}
	p.mu.Unlock()
	p.apply(l)
	return nil
}

// verify looks whether the first record that comes is the last that came before. Called with the lock.
func (p *partition) verify(l logged) error {
	if p.mark == (mark{l.at, l.hash}) {
		p.verified = true
		return nil
	}
	p.forget()
	return errReplay
}

// forget has the log read again from its beginning by the next session. Called with the lock.
func (p *partition) forget() {
	if p.state == nil {
		return
	}
	old := p.mark
	p.ahead, p.incarnation, p.anew = &old, p.state.Incarnation, true
	p.state = nil
}

// doubt is called when nothing has come for a long time although something was written: the log may be shorter than it was. It reports
// whether the session is to end.
func (p *partition) doubt() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspect = p.state != nil && !p.verified
	return p.suspect
}

// load takes a record while the state is not known, because the log has dropped its beginning.
func (p *partition) load(l logged) error {
	p.mu.Lock()
	if l.rec.Kind == reset && l.rec.Key == anyIncarnation {
		p.skipped(l.at)
		p.state, p.verified, p.buffered = newState(), true, nil
		p.mu.Unlock()
		p.apply(l)
		p.loaded()
		return nil
	}
	p.buffered = append(p.buffered, l)
	if p.caught != nil && l.rec.Owner == p.broker.owner && l.rec.Seq == p.caught.rec.Seq {
		p.met = true
		p.proposeLocked(record{Kind: want}, true, nil)
	}
	if l.rec.Kind != snapshot {
		p.mu.Unlock()
		return nil
	}
	s, err := p.parts.add(l.rec)
	if err != nil {
		p.broker.unreadable(err)
	}
	if s == nil || s.At < *p.first {
		p.mu.Unlock()
		return nil
	}
	p.skipped(s.At)
	later := p.buffered
	p.state, p.verified, p.buffered = s, true, nil
	p.mu.Unlock()
	for _, l := range later {
		if l.at > s.At {
			p.apply(l)
		}
	}
	p.loaded()
	return nil
}

// skipped ends the calls whose records are not applied here, because a snapshot holds what they have done, or a reset has undone it. Called with
// the lock.
func (p *partition) skipped(upTo uint64) {
	for _, l := range p.buffered {
		c := p.pending[l.rec.Seq]
		switch {
		case c == nil || l.at > upTo || l.rec.Owner != p.broker.owner || c == p.caught:
		case c.rec.Kind == barrier:
			p.finish(c, outcome{}, nil)
		default:
			p.finish(c, outcome{}, maybe{errLate})
		}
	}
}

// loaded is called once the state is known: if the barrier came before, this is as far as the log went when the session began.
func (p *partition) loaded() {
	p.mu.Lock()
	if p.met && !p.live && !p.renewing {
		p.checkLoss()
		p.goLiveIf(!p.renewing)
	}
	p.mu.Unlock()
	p.settled()
}

// waitForSnapshot is called with each heartbeat while the state is not known. First one node is asked for a snapshot, then all; in the end
// everybody begins anew. Called with the lock.
func (p *partition) waitForSnapshot() {
	if p.state != nil || !p.met {
		return
	}
	p.waited++
	switch p.waited {
	case 2:
		p.proposeLocked(record{Kind: want, Count: 1}, true, nil)
	case 4:
		p.broker.options.Log.Error("rabbitmq: a log has dropped its beginning and holds no snapshot; all its channels begin anew; give the logs more room with LogBytes (broker.rabbitmq.log_bytes)",
			"log", p.index)
		p.proposeLocked(record{Kind: reset, Key: anyIncarnation, Epoch: hub.NewEpoch()}, true, nil)
	}
}

// apply takes a record into the state, ends the call that it is of, and tells the sink.
func (p *partition) apply(l logged) {
	p.mu.Lock()
	b, r := p.broker, l.rec
	out := p.state.apply(l.at, r)
	p.mark = mark{l.at, l.hash}
	p.heard[r.Owner] = time.Now()
	tell := p.live || !p.anew
	_, subscribed := p.subs[r.Channel]
	var delivery *hub.Publication
	if out.fresh != nil && subscribed && tell {
		delivery = &hub.Publication{Channel: r.Channel, Epoch: out.published.Epoch, Offset: out.published.Offset, Time: out.published.Time}
	}
	if r.Owner == b.owner {
		p.returned(r, out)
	}
	events := slices.DeleteFunc(out.events, func(e hub.PresenceEvent) bool { _, ok := p.subs[e.Channel]; return !ok })
	interrupted := p.consequences(l, &out)
	p.mu.Unlock()

	if delivery != nil {
		if err := wire.DecodeContent(delivery, out.content); err != nil {
			b.unreadable(err)
		} else {
			b.counters.received.Add(1)
			b.sink.Deliver(delivery)
		}
	}
	for _, e := range events {
		if tell {
			b.sink.Present(e)
		}
	}
	if interrupted {
		b.interrupted()
	}
	p.settled()
}

// returned ends the call whose record has come back. Called with the lock.
func (p *partition) returned(r *record, out outcome) {
	c := p.pending[r.Seq]
	switch {
	case c == nil:
	case !out.repeated:
		p.finish(c, out, out.rejected)
	case c.insist: // it has not been applied, and never will be under this number
		delete(p.pending, r.Seq)
		p.enqueue(c)
	default:
		p.finish(c, outcome{}, errLate)
	}
}

// consequences does what else a record asks of this node, and reports whether the hub must compare. Called with the lock.
func (p *partition) consequences(l logged, out *outcome) (interrupted bool) {
	r := l.rec
	p.unsaved += l.size
	switch {
	case r.Kind == snapshot && r.Count == r.Window-1:
		p.unsaved = 0
	case r.Kind == snapshot:
		p.unsaved -= l.size
	case r.Kind == want && p.live && r.Owner != p.broker.owner && (r.Count > 0 || p.firstAlive(r.Owner)):
		p.save()
	case r.Kind == bury && r.Key == p.broker.owner && r.Owner != p.broker.owner:
		if p.buried = !p.live; p.live {
			p.rejoin(false)
		}
	case out.renewed:
		p.buried = false
		if interrupted = p.live; p.live {
			p.rejoin(true)
		}
		p.goLiveIf(p.renewing)
	case p.caught != nil && r.Owner == p.broker.owner && r.Seq == p.caught.rec.Seq && !p.live:
		p.checkLoss()
		p.goLiveIf(!p.renewing)
	}
	if p.live && p.unsaved > p.saveAfter() {
		p.save()
	}
	return interrupted
}

// checkLoss looks, once the whole log has been read again, whether it has lost what this node had seen. Then the same offsets would be given
// twice, so everything begins anew.
func (p *partition) checkLoss() {
	if p.ahead == nil || p.found || p.state.Incarnation != p.incarnation || p.first != nil && *p.first > p.ahead.at {
		return
	}
	p.broker.options.Log.Error("rabbitmq: a log has lost records that were acknowledged; its channels begin anew", "log", p.index)
	p.renewing = true
	p.proposeLocked(record{Kind: reset, Key: p.state.Incarnation, Epoch: hub.NewEpoch()}, true, nil)
}

// goLiveIf ends loading. Called with the lock; settled must follow without it.
func (p *partition) goLiveIf(ready bool) {
	if !ready || p.live {
		return
	}
	p.live, p.renewing, p.ahead, p.caught = true, false, nil, nil
	now := time.Now()
	for name := range p.state.Owners { // what was not heard during an outage is not held against anybody
		p.heard[name] = now
	}
	p.rejoin(!p.buried)
	p.broker.liveness()
}

// settled tells the hub to compare, once, if deliveries were missed before the log was followed again.
func (p *partition) settled() {
	p.mu.Lock()
	tell := p.live && p.anew
	if tell {
		p.anew = false
	}
	p.mu.Unlock()
	if tell {
		p.broker.interrupted()
	}
}

// rejoin brings back those of our members that are not there, and has those leave that owe it. Called with the lock.
func (p *partition) rejoin(quietly bool) {
	for key, m := range p.own {
		if room := p.state.Rooms[key.channel]; room == nil || room.Members[key.session].Owner != p.broker.owner {
			r := record{Kind: join, Channel: key.channel, Body: wire.AppendMember(nil, m)}
			if quietly {
				r.Count = 1
			}
			p.proposeLocked(r, true, nil)
		}
	}
	for key := range p.owed {
		p.proposeLocked(record{Kind: depart, Channel: key.channel, Key: key.session}, true, func(*outcome) { delete(p.owed, key) })
	}
}

// firstAlive tells whether this node is the first of those that are alive, but for one.
func (p *partition) firstAlive(but string) bool {
	for name, o := range p.state.Owners {
		if o.Alive && name < p.broker.owner && name != but {
			return false
		}
	}
	return true
}

// saveAfter is after how much of the log a snapshot is due. The first node that is alive writes it; the others only if it does not.
func (p *partition) saveAfter() int {
	due := max(p.broker.options.LogBytes/8, p.snapshot)
	if p.unsaved > due && !p.firstAlive("") {
		return 2 * due
	}
	return due
}

// save writes a snapshot. Called with the lock.
func (p *partition) save() {
	p.unsaved = 0
	records, size, err := p.state.records()
	if err != nil {
		p.broker.options.Log.Error("rabbitmq: a snapshot cannot be written", "cause", err)
		return
	}
	p.snapshot = size
	if size > p.broker.options.LogBytes/3 {
		p.broker.options.Log.Error("rabbitmq: what is kept is too much for the logs; raise LogBytes (broker.rabbitmq.log_bytes)", "log", p.index, "snapshot", size, "LogBytes", p.broker.options.LogBytes)
	}
	for _, r := range records {
		p.proposeLocked(*r, false, nil)
	}
}

func sortedCalls(m map[uint64]*call) []*call {
	return slices.SortedFunc(maps.Values(m), func(a, b *call) int { return cmp.Compare(a.rec.Seq, b.rec.Seq) })
}
