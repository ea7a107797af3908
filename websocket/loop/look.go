// The look at a connection now and then: keep-alive, messages that do not end, peers that do not read, last words.

package loop

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
	"github.com/ringdown/ringdown/websocket/wire"
)

// look does what is due and returns in how many steps to look again; false is never. Its driver calls it. away says that
// nobody reads at present what the peer sends, so that it cannot be blamed for its silence.
func (c *Conn) look(now wheel.Tick, away bool) (wheel.Tick, bool) {
	away = away || c.pausing.Load()
	heard := c.active.Swap(false)
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
	next := c.lookAtSilence(now, heard, away)
	if d := c.lookAtMessage(now, away); d > 0 {
		next = min(next, d)
	}
	d, drop := c.lookAtOutbox(now)
	if d > 0 {
		next = min(next, d)
	}
	if drop.Messages > 0 {
		c.server.working.Go(func() { c.dropped(drop) }) // not under the lock
	} else if c.hasUntold() {
		c.server.working.Go(c.tellDropped)
	}
	return max(next, 1), true
}

// until calls f if limit has passed since start, and returns the steps left otherwise. start may be later than now: the
// server's clock goes ahead of the one that a loop was told.
func (c *Conn) until(now, start wheel.Tick, limit time.Duration, f func()) wheel.Tick {
	if limit == 0 {
		return wheel.Slots
	}
	if end := start + wheel.Ticks(limit); now.Before(end) {
		return end - now
	}
	f()
	return 1
}

// lookAtSilence pings a peer from whom nothing has come, and cuts one that does not answer.
func (c *Conn) lookAtSilence(now wheel.Tick, heard, away bool) wheel.Tick {
	interval := c.server.set.Interval
	if interval == 0 {
		return wheel.Slots
	}
	if c.stream {
		if heard { // of us, by the peer
			c.since = now
		}
		return c.until(now, c.since, interval, func() { c.beat(now) })
	}
	if heard || away {
		c.since, c.pinged = now, 0
		return wheel.Ticks(interval)
	}
	if c.pinged != 0 { // nobody tells the wheel when the answer comes
		return min(c.until(now, c.pinged, c.server.set.Timeout, func() { c.cut(websocket.ErrKeepAlive) }), wheel.Ticks(interval))
	}
	return c.until(now, c.since, interval, func() {
		c.pinged = now
		c.out.Add(outbox.Item{Bytes: wire.AppendControl(buffers.Get(buffers.Min), wire.Server, wire.Ping, nil), Owned: true, Kind: outbox.Control, At: now})
		c.wake()
	})
}

// lookAtMessage fails a peer that does not finish what it began to send.
func (c *Conn) lookAtMessage(now wheel.Tick, away bool) wheel.Tick {
	begun := wheel.Tick(c.unfinished.Load())
	limit := c.server.set.Frame
	if limit == 0 {
		return 0
	}
	if begun == 0 || away {
		return wheel.Ticks(max(limit, wheel.Step))
	}
	return c.until(now, begun, limit, func() {
		reason := fmt.Sprintf("message not complete after %v", limit)
		err := &websocket.ProtocolError{Code: websocket.StatusPolicyViolation, Reason: reason}
		c.finish(err.Code, reason, fmt.Errorf("websocket: %w", err))
	})
}

// recount corrects the server's counter of what waits for slow peers. Called with the lock; those who keep up cost nothing.
func (c *Conn) recount() {
	n := int64(0)
	if c.blocked != 0 && c.at() != stateGone {
		n = int64(c.out.Unwritten())
	}
	r := c.rare()
	if r == nil && n == 0 {
		return
	} else if r == nil {
		r = c.needRare()
	}
	c.server.stats.waiting.Add(n - r.counted)
	r.counted = n
}

// lookAtOutbox holds a slow peer to the time-outs of writing.
func (c *Conn) lookAtOutbox(now wheel.Tick) (again wheel.Tick, drop Drop) {
	c.recount()
	if c.blocked != 0 && c.server.set.Write > 0 {
		d := c.until(now, c.blocked, c.server.set.Write, func() { c.cut(websocket.ErrWriteTimeout) })
		if c.at() != stateOpen {
			return 0, drop
		}
		again = d
	}
	oldest, waits := c.out.Oldest()
	age := c.server.opts.Outbox.Age
	if age < 0 || !waits && c.blocked == 0 {
		return again, drop
	}
	if !waits { // all is encrypted and under way: what is queued from now on will wait behind it
		oldest = now
	}
	d := c.until(now, oldest, age, func() {
		if c.server.opts.Outbox.Policy == Disconnect {
			drop = c.overflow(fmt.Sprintf("slow consumer: a message has waited for %v", age))
		} else {
			drop.Messages, drop.Bytes = c.out.DropAged(now - wheel.Ticks(age) + 1)
			c.wake()
		}
	})
	if again == 0 || d < again {
		again = d
	}
	return again, drop
}
