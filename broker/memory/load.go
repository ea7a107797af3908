// Reading what an earlier process has written down. It is believed no further than it makes sense.

package memory

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Bounds of what is read, beside those of the hub, in bytes.
const (
	maxLabel = 64 << 10 // the name of a user or session
	piece    = 64 << 10
)

// Load takes over what [Broker.Save] has written, before anybody uses the broker. What has expired meanwhile is left out, and idempotency
// keys are remembered for what was left of their windows. Channels that the broker knows already are left as they are. What does not
// fit into [Options.MaxBytes] is evicted as always, while it is read: no more than twice that is ever held.
//
// After an error nothing of it is there. The error says what could not be read.
func (b *Broker) Load(r io.Reader) error {
	l := &loader{r: bufio.NewReaderSize(r, piece), broker: b, now: time.Now()}
	err := l.all()
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	for _, c := range l.loaded {
		c.mu.Lock()
		b.drop(c)
		c.mu.Unlock()
	}
	return fmt.Errorf("memory: channel %d of what was saved: %w", len(l.loaded)+1, err)
}

// loader reads what a saver writes.
type loader struct {
	r      *bufio.Reader
	broker *Broker
	now    time.Time
	loaded []*channel
}

func (l *loader) all() error {
	version, err := l.r.ReadByte()
	if err != nil {
		return err
	}
	if version != saveVersion {
		return fmt.Errorf("it is of version %d, and this program reads version %d", version, saveVersion)
	}
	for {
		mark, err := l.r.ReadByte()
		switch {
		case err != nil:
			return err
		case mark == end:
			return l.nothingMore()
		case mark != another:
			return fmt.Errorf("there is %#x where a channel should begin", mark)
		}
		if err := l.channel(); err != nil {
			return err
		}
	}
}

func (l *loader) nothingMore() error {
	if _, err := l.r.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the last channel")
	}
	return nil
}

func (l *loader) channel() error {
	name, err := l.text(hub.MaxChannelName)
	if err != nil {
		return err
	}
	if err := hub.CheckChannel(name); err != nil {
		return err
	}
	c := newChannel(name)
	if err := l.head(c); err != nil {
		return err
	}
	if err := l.publications(c); err != nil {
		return err
	}
	if err := l.keys(c); err != nil {
		return err
	}
	l.add(c)
	return nil
}

// head reads all of a channel but what it keeps. That it was saved counts as a use, or those who come back after a restart that took
// long would find another numbering.
func (l *loader) head(c *channel) (err error) {
	if c.top.Epoch, err = l.text(len(c.top.Epoch)); err != nil {
		return err
	}
	if _, err := hub.ParseCursor(hub.Position{Epoch: c.top.Epoch}.Cursor()); err != nil {
		return err
	}
	if c.top.Offset, err = l.number(math.MaxInt64); err != nil {
		return err
	}
	count, err := l.number(math.MaxInt32)
	if err != nil {
		return err
	}
	age, err := l.number(math.MaxInt64)
	if err != nil {
		return err
	}
	c.retention = hub.Retention{Count: int(count), Age: time.Duration(age)}
	c.published, err = l.moment()
	return err
}

func (l *loader) publications(c *channel) error {
	n, err := l.number(min(c.top.Offset, math.MaxInt32))
	if err != nil {
		return err
	}
	for i := range n {
		p := &hub.Publication{Channel: c.name, Epoch: c.top.Epoch, Offset: c.top.Offset - n + 1 + i}
		if err := l.publication(p); err != nil {
			return err
		}
		c.ring.push(p)
		for c.bytes += costOf(p); c.bytes > l.broker.bounds.max && c.ring.len() > 0; {
			c.forgetOldest()
			l.broker.bounds.evicted.Add(1)
		}
	}
	return nil
}

func (l *loader) publication(p *hub.Publication) error {
	kind, err := l.r.ReadByte()
	if err != nil {
		return err
	}
	if p.Kind = hub.Kind(kind); p.Kind > hub.Binary {
		return fmt.Errorf("a publication is of kind %d", kind)
	}
	for _, field := range []struct {
		to   *string
		most int
	}{{&p.Event, hub.MaxEventName}, {&p.Key, hub.MaxKey}, {&p.Session, maxLabel}, {&p.User, maxLabel}} {
		if *field.to, err = l.text(field.most); err != nil {
			return err
		}
	}
	if p.Time, err = l.moment(); err != nil {
		return err
	}
	p.Payload, err = l.bytes(math.MaxInt32)
	return err
}

func (l *loader) keys(c *channel) error {
	n, err := l.number(maxKeys)
	if err != nil {
		return err
	}
	for range n {
		key, err := l.text(maxLabel + hub.MaxIdempotencyKey) // with the user whose it is
		if err != nil {
			return err
		}
		a := hub.Published{Position: hub.Position{Epoch: c.top.Epoch}}
		if a.Offset, err = l.number(c.top.Offset); err != nil {
			return err
		}
		if a.Time, err = l.moment(); err != nil {
			return err
		}
		left, err := l.number(math.MaxInt64)
		if err != nil {
			return err
		}
		for c.bytes += c.keys.add(key, a, l.now.Add(time.Duration(left))); c.bytes > l.broker.bounds.max && c.keys.len() > 0; {
			c.bytes -= c.keys.forgetOldest()
		}
	}
	return nil
}

// add makes the channel one of the broker's, unless it has it or nothing of it is wanted any more.
func (l *loader) add(c *channel) {
	c.lastUse = l.now
	c.expire(l.now)
	if !c.lives(l.now) {
		return
	}
	b, sh := l.broker, l.broker.shard(c.name)
	c.mu.Lock()
	sh.mu.Lock()
	if sh.channels[c.name] != nil {
		sh.mu.Unlock()
		c.mu.Unlock()
		return
	}
	sh.channels[c.name] = c
	sh.mu.Unlock()
	b.done(c, l.now)
	l.loaded = append(l.loaded, c)
	b.evict()
}

func (l *loader) number(most uint64) (uint64, error) {
	n, err := binary.ReadUvarint(l.r)
	if err == nil && n > most {
		err = fmt.Errorf("a number is %d, at most %d makes sense there", n, most)
	}
	return n, err
}

func (l *loader) moment() (time.Time, error) {
	n, err := l.number(math.MaxInt64)
	return time.Unix(0, int64(n)), err
}

func (l *loader) text(most int) (string, error) {
	b, err := l.bytes(uint64(most))
	return string(b), err
}

// bytes takes memory only for what has come, whatever length is claimed.
func (l *loader) bytes(most uint64) ([]byte, error) {
	n, err := l.number(most)
	if err != nil || n == 0 {
		return nil, err
	}
	all := make([]byte, 0, min(n, piece))
	for uint64(len(all)) < n {
		from := len(all)
		all = append(all, make([]byte, min(n-uint64(from), piece))...)
		if _, err := io.ReadFull(l.r, all[from:]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
