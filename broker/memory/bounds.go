// What bounds the memory of all channels together: what they are charged, who is evicted first, and the sweep.

package memory

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// What is charged beside what was published, in bytes: about what the heap shows.
const (
	publicationCost = 288 // the publication's fields, its slot in the ring, and the head of one encoding
	channelCost     = 640 // the channel, its place in the shard's map, and its epoch
)

// sweepPace is how often what has expired is looked for where nobody publishes any more.
const sweepPace = 10 * time.Second

// bounds are what all channels are charged together.
type bounds struct {
	max      int64
	bytes    atomic.Int64
	evicted  atomic.Uint64
	evicting sync.Mutex // held by the one who makes room; taken before a channel's lock
}

// costOf charges the payload twice, for the publication holds its encodings.
func costOf(p *hub.Publication) int64 {
	fields := len(p.Channel) + len(p.Event) + len(p.Key) + len(p.Session) + len(p.User)
	return int64(cap(p.Payload) + len(p.Payload) + fields + publicationCost)
}

// class is what can be taken from a channel.
type class uint8

const (
	nothing   class = iota // nothing: it is not charged
	numbering              // it keeps nothing but a numbering that nobody uses
	content                // publications or keys
	classes
)

func (c *channel) class() class {
	switch {
	case !c.empty():
		return content
	case c.inUse():
		return nothing
	}
	return numbering
}

// kept are the channels of a shard from which something can be taken, by class, those published in least recently first.
type kept struct {
	mu    sync.Mutex // guards the lists and the places in them; taken after a channel's lock
	lists [classes]list
}

// list is a doubly linked list of channels.
type list struct{ first, last *channel }

// place is where a channel is in a list.
type place struct {
	class      class // of the list; nothing if it is in none
	before     *channel
	after      *channel
	lastPublic time.Time // channel.published, for those who hold no lock of the channel
}

func (k *kept) put(c *channel, in class, published time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.place.class == in && c.place.lastPublic.Equal(published) {
		return
	}
	k.remove(c)
	if in == nothing {
		return
	}
	l := &k.lists[in]
	c.place = place{class: in, before: l.last, lastPublic: published}
	if l.last == nil {
		l.first = c
	} else {
		l.last.place.after = c
	}
	l.last = c
}

func (k *kept) remove(c *channel) {
	if c.place.class == nothing {
		return
	}
	l := &k.lists[c.place.class]
	if c.place.before == nil {
		l.first = c.place.after
	} else {
		c.place.before.place.after = c.place.after
	}
	if c.place.after == nil {
		l.last = c.place.before
	} else {
		c.place.after.place.before = c.place.before
	}
	c.place = place{}
}

// all appends the channels of all lists.
func (k *kept) all(to []*channel) []*channel {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.lists {
		for c := l.first; c != nil; c = c.place.after {
			to = append(to, c)
		}
	}
	return to
}

// first returns the channel of a class that was published in least recently, and when; nil if there is none.
func (k *kept) first(of class) (*channel, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.lists[of].first; c != nil {
		return c, c.place.lastPublic
	}
	return nil, time.Time{}
}

// settle ends a use of a channel: it charges what is kept, or drops what is not wanted any more. Called with its lock.
func (b *Broker) settle(c *channel, now time.Time) {
	if c.dropped {
		return
	}
	if !c.lives(now) {
		b.drop(c)
		return
	}
	b.charge(c)
}

func (b *Broker) charge(c *channel) {
	in := c.class()
	if in == nothing && c.charged == 0 {
		return
	}
	due := int64(0)
	if in != nothing {
		due = c.bytes + channelCost + int64(len(c.name))
	}
	b.bounds.bytes.Add(due - c.charged)
	c.charged = due
	b.shard(c.name).kept.put(c, in, c.published)
}

// drop forgets a channel. Called with its lock.
func (b *Broker) drop(c *channel) {
	if c.dropped {
		return
	}
	c.dropped = true
	b.bounds.bytes.Add(-c.charged)
	c.charged = 0
	sh := b.shard(c.name)
	sh.kept.put(c, nothing, time.Time{})
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.channels, c.name)
}

// evictions is from how many channels one call takes something, so that no caller waits long; more only while there is too much.
const evictions = 64

// evict makes room if there is too much: so much, if it can soon, that it is not called for again at once. Called without locks.
func (b *Broker) evict() {
	if b.bounds.bytes.Load() <= b.bounds.max {
		return
	}
	b.bounds.evicting.Lock()
	defer b.bounds.evicting.Unlock()
	if b.bounds.bytes.Load() <= b.bounds.max {
		return
	}
	goal := b.bounds.max - b.bounds.max/16
	for n := 0; ; n++ {
		bytes := b.bounds.bytes.Load()
		if excess := bytes - goal; excess <= 0 || n >= evictions && bytes <= b.bounds.max {
			return // the rest is for the next call
		}
		c := b.leastRecent()
		if c == nil {
			return
		}
		b.take(c, bytes-goal)
	}
}

// leastRecent returns the channel from which something is taken next.
func (b *Broker) leastRecent() (least *channel) {
	for _, of := range []class{numbering, content} {
		var when time.Time
		for i := range b.shards {
			if c, t := b.shards[i].kept.first(of); c != nil && (least == nil || t.Before(when)) {
				least, when = c, t
			}
		}
		if least != nil {
			break
		}
	}
	return least
}

// take takes about so many bytes from a channel, and all of it if that is not enough.
func (b *Broker) take(c *channel, excess int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return
	}
	enough := c.bytes - excess
	for c.bytes > enough && c.ring.len() > 0 {
		c.forgetOldest()
		b.bounds.evicted.Add(1)
	}
	for c.bytes > enough && c.keys.len() > 0 {
		c.bytes -= c.keys.forgetOldest()
	}
	if c.empty() && !c.inUse() {
		b.drop(c)
		return
	}
	b.charge(c)
}

// sweeper forgets what has expired, until Close.
func (b *Broker) sweeper() {
	ticker := time.NewTicker(sweepPace)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.sweep()
		case <-b.stop:
			return
		}
	}
}

func (b *Broker) sweep() {
	var some []*channel
	for i := range b.shards {
		some = b.shards[i].kept.all(some[:0])
		for _, c := range some {
			b.sweepChannel(c)
		}
		clear(some)
	}
}

func (b *Broker) sweepChannel(c *channel) {
	c.mu.Lock()
	now := time.Now()
	defer b.done(c, now)
	c.expire(now)
}
