// The look at a connection now and then: keep-alive, messages that do not end, peers that do not read, last words.

package loop

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// look does what is due and returns in how many steps to look again; false is never. Its driver calls it.
func (c *Conn) look(now tick) (tick, bool) {
	heard := c.heard.Swap(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.at() {
	case stateGone:
		return 0, false
	case stateLingering:
		return c.until(now, c.since, lingering, func() { c.enter(stateGone); c.wake() }), true
	case stateClosing:
		return c.until(now, c.since, c.server.set.Close, func() {
			c.cut(fmt.Errorf("websocket: the peer did not answer the Close frame within %v", c.server.set.Close))
		}), true
	}
	next := c.lookAtSilence(now, heard)
	if d := c.lookAtMessage(now); d > 0 {
		next = min(next, d)
	}
	d, drop := c.lookAtOutbox(now)
	if d > 0 {
		next = min(next, d)
	}
	if drop.Messages > 0 {
		c.server.working.Go(func() { c.dropped(drop) }) // not under the lock
	}
	return max(next, 1), true
}

// until calls f if limit has passed since start, and returns the steps left otherwise. start may be later than now: the
// server's clock goes ahead of the one that a loop was told.
func (c *Conn) until(now, start tick, limit time.Duration, f func()) tick {
	if limit == 0 {
		return wheelSlots
	}
	if end := start + ticks(limit); now.before(end) {
		return end - now
	}
	f()
	return 1
}

// lookAtSilence pings a peer from whom nothing has come, and cuts one that does not answer.
func (c *Conn) lookAtSilence(now tick, heard bool) tick {
	interval := c.server.set.Interval
	if interval == 0 {
		return wheelSlots
	}
	if c.stream {
		if heard { // of us, by the peer
			c.since = now
		}
		return c.until(now, c.since, interval, func() { c.beat(now) })
	}
	if heard || c.pausing.Load() {
		c.since, c.pinged = now, 0
		return ticks(interval)
	}
	if c.pinged != 0 {
		return c.until(now, c.pinged, c.server.set.Timeout, func() { c.cut(websocket.ErrKeepAlive) })
	}
	return c.until(now, c.since, interval, func() {
		c.pinged = now
		c.out.add(item{b: wire.AppendControl(buffers.Get(buffers.Min), wire.Server, wire.Ping, nil), owned: true, kind: control, at: now})
		c.wake()
	})
}

// lookAtMessage fails a peer that does not finish what it began to send.
func (c *Conn) lookAtMessage(now tick) tick {
	begun := tick(c.unfinished.Load())
	limit := c.server.set.Frame
	if begun == 0 || limit == 0 || c.pausing.Load() {
		return ticks(max(limit, step))
	}
	return c.until(now, begun, limit, func() {
		reason := fmt.Sprintf("message not complete after %v", limit)
		err := &websocket.ProtocolError{Code: websocket.StatusPolicyViolation, Reason: reason}
		c.finish(err.Code, reason, fmt.Errorf("websocket: %w", err))
	})
}

// lookAtOutbox holds a slow peer to the time-outs of writing.
func (c *Conn) lookAtOutbox(now tick) (again tick, drop Drop) {
	if c.moved != 0 && c.server.set.Write > 0 {
		d := c.until(now, c.moved, c.server.set.Write, func() { c.cut(websocket.ErrWriteTimeout) })
		if c.at() != stateOpen {
			return 0, drop
		}
		again = d
	}
	oldest, waits := c.out.oldest()
	age := c.server.opts.Outbox.Age
	if age < 0 || !waits && c.moved == 0 {
		return again, drop
	}
	if !waits { // all is encrypted and under way: what is queued from now on will wait behind it
		oldest = now
	}
	d := c.until(now, oldest, age, func() {
		if c.server.opts.Outbox.Policy == Disconnect {
			drop = c.overflow(fmt.Sprintf("slow consumer: a message has waited for %v", age))
		} else {
			drop.Messages, drop.Bytes = c.out.dropAged(now - ticks(age) + 1)
			c.wake()
		}
	})
	if again == 0 || d < again {
		again = d
	}
	return again, drop
}
