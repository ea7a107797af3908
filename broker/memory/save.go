// Writing down what a broker keeps, so that the next process can go on with it.

package memory

import (
	"bufio"
	"encoding/binary"
	"io"
	"slices"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// saveVersion is the first byte of what Save writes. Whoever changes what follows changes it, too.
const saveVersion = 1

// Before each channel stands another, and behind the last one end.
const (
	end     = 0
	another = 1
)

// Freeze has the broker refuse everything from now on, as [Broker.Close] does, but forget nothing: what Save writes after it is all that
// anybody was ever given a receipt for. It returns once nothing is being published any more.
func (b *Broker) Freeze() {
	b.frozen.Store(true)
	for i := range b.shards {
		for _, c := range b.shards[i].all() {
			b.sweepChannel(c) // with its lock: whoever had it before may not have seen frozen, whoever gets it will
		}
	}
}

// Save writes what is kept: publications, numberings, and idempotency keys with what is left of their windows; but not presence, for
// sessions end with the process. It holds the lock of one channel at a time. To save everything, Freeze the broker before.
func (b *Broker) Save(w io.Writer) error {
	s := &saver{w: bufio.NewWriterSize(w, 64<<10), now: time.Now()}
	s.w.WriteByte(saveVersion)
	for _, c := range b.byAge() {
		c.mu.Lock()
		if c.outlives(s.now) {
			s.channel(c)
		}
		c.mu.Unlock()
	}
	s.w.WriteByte(end)
	return s.w.Flush() // which tells of every error before it
}

// byAge are all channels, those published in least recently first: that is the order in which the next process may have to evict them.
func (b *Broker) byAge() []*channel {
	type aged struct {
		*channel
		published time.Time
	}
	var all []aged
	for i := range b.shards {
		for _, c := range b.shards[i].all() {
			c.mu.Lock()
			all = append(all, aged{c, c.published})
			c.mu.Unlock()
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return a.published.Compare(b.published) })
	channels := make([]*channel, len(all))
	for i, a := range all {
		channels[i] = a.channel
	}
	return channels
}

// outlives tells whether the channel is wanted when nobody of this process uses it any more. Called with its lock.
func (c *channel) outlives(now time.Time) bool {
	if c.dropped {
		return false
	}
	c.expire(now)
	used := c.lastUse
	if c.inUse() {
		used = now
	}
	r := c.retention
	return !c.empty() || r.Count > 0 && (r.Age == 0 || now.Sub(used) < r.Age)
}

// saver writes numbers as uvarints, and strings with their length before them. Errors stay with the writer.
type saver struct {
	w   *bufio.Writer
	now time.Time
	buf [binary.MaxVarintLen64]byte
}

func (s *saver) number(n uint64) { s.w.Write(binary.AppendUvarint(s.buf[:0], n)) }

// moment writes a time in nanoseconds, which must be after 1970.
func (s *saver) moment(t time.Time) { s.number(uint64(max(t.UnixNano(), 0))) }

func (s *saver) text(t string) {
	s.number(uint64(len(t)))
	s.w.WriteString(t)
}

func (s *saver) channel(c *channel) {
	s.w.WriteByte(another)
	s.text(c.name)
	s.text(c.top.Epoch)
	s.number(c.top.Offset)
	s.number(uint64(c.retention.Count))
	s.number(uint64(c.retention.Age))
	s.moment(c.published)
	s.number(uint64(c.ring.len()))
	for i := range c.ring.len() {
		s.publication(c.ring.at(i))
	}
	s.number(uint64(c.keys.len()))
	for i := range c.keys.len() {
		key := c.keys.queue.at(i)
		s.key(key, c.keys.answers[key])
	}
}

// publication leaves out the position, which follows from that of the channel: the ring has no hole up to it.
func (s *saver) publication(p *hub.Publication) {
	s.w.WriteByte(byte(p.Kind))
	s.text(p.Event)
	s.text(p.Key)
	s.text(p.Session)
	s.text(p.User)
	s.moment(p.Time)
	s.number(uint64(len(p.Payload)))
	s.w.Write(p.Payload)
}

// key saves how long it has still to be remembered, not until when: nobody can repeat a publication while there is no process.
func (s *saver) key(key string, a answer) {
	s.text(key)
	s.number(a.Offset)
	s.moment(a.Time)
	s.number(uint64(max(a.until.Sub(s.now), 0)))
}
