// A channel: its numbering, and the publications that are kept of it.

package memory

import (
	"sort"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// channel is what is known of a channel. All of it is guarded by mu, but for place.
type channel struct {
	name string

	mu         sync.Mutex // held for all that is said of the channel, so that it is said in order
	dropped    bool       // no longer in its shard; whoever finds it looks again
	subscribed bool
	top        hub.Position
	retention  hub.Retention // as asked for last
	lastUse    time.Time
	published  time.Time              // last
	ring       ring[*hub.Publication] // the newest ones, without a hole up to top
	keys       keys
	present    presence

	bytes   int64 // that ring and keys are charged
	charged int64 // of it and the channel itself, to the bounds
	place   place
}

func newChannel(name string) *channel {
	now := time.Now()
	return &channel{name: name, top: hub.Position{Epoch: hub.NewEpoch()}, lastUse: now, published: now}
}

// number makes p the next publication.
func (c *channel) number(p *hub.Publication, now time.Time) {
	c.top.Offset++
	p.Epoch, p.Offset, p.Time = c.top.Epoch, c.top.Offset, now
}

// keep keeps p, the newest, and its key.
func (c *channel) keep(p *hub.Publication, s hub.Storing, now time.Time) {
	if s.Count > 0 {
		c.used(s.Retention, now)
		c.ring.push(p)
		c.bytes += costOf(p)
	}
	for c.ring.len() > s.Count { // all of them if this one is not kept: there must be no hole
		c.forgetOldest()
	}
	c.expire(now)
	if s.IdempotencyKey != "" && s.Window > 0 {
		c.bytes += c.keys.add(s.IdempotencyKey, hub.Published{Position: p.Position(), Time: now}, now.Add(s.Window))
	}
	c.published = now
}

// used notes that somebody may come back for what is kept.
func (c *channel) used(r hub.Retention, now time.Time) { c.retention, c.lastUse = r, now }

func (c *channel) forgetOldest() { c.bytes -= costOf(c.ring.pop()) }

// expire forgets what has become too old.
func (c *channel) expire(now time.Time) {
	for c.ring.len() > 0 && old(c.ring.at(0), c.retention.Age, now) {
		c.forgetOldest()
	}
	for c.keys.expired(now) {
		c.bytes -= c.keys.forgetOldest()
	}
}

func old(p *hub.Publication, age time.Duration, now time.Time) bool {
	return age > 0 && now.Sub(p.Time) >= age
}

// empty tells whether nothing is kept but, perhaps, the numbering.
func (c *channel) empty() bool { return c.ring.len() == 0 && c.keys.len() == 0 }

// inUse tells whether the numbering must stay, whatever it costs.
func (c *channel) inUse() bool { return c.subscribed || len(c.present.members) > 0 }

// lives tells whether the numbering is still wanted.
func (c *channel) lives(now time.Time) bool {
	if c.inUse() || !c.empty() {
		return true
	}
	r := c.retention
	return r.Count > 0 && (r.Age == 0 || now.Sub(c.lastUse) < r.Age)
}

// history is what q asks for.
func (c *channel) history(q hub.Query, now time.Time) hub.History {
	n := c.ring.len()
	from := max(0, n-q.Count)
	from += sort.Search(n-from, func(i int) bool { return !old(c.ring.at(from+i), q.Age, now) })
	before := c.top.Offset - uint64(n-from) // the offset before the oldest that may be told

	h := hub.History{Top: c.top}
	if before > q.After {
		h.Lost = before - q.After
	}
	to := n
	switch {
	case q.Newest:
		from = max(from, n-q.Limit)
	case q.After >= c.top.Offset:
		from = n
	default:
		if q.After > before {
			from += int(q.After - before)
		}
		to = from + min(q.Limit, n-from)
	}
	if from < to {
		h.Publications = make([]*hub.Publication, 0, to-from)
	}
	for i := from; i < to; i++ {
		h.Publications = append(h.Publications, c.ring.at(i))
	}
	return h
}
