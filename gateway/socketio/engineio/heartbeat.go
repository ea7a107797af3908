// Heartbeats: all sessions of a server wait equally long for their next ping, and for the answer. So those who wait stand in two
// queues in the order of their times, and one timer serves the two heads.

package engineio

import (
	"sync"
	"time"
)

// A ping or a time-out comes a little early, by a share of what is waited for and by maxEarly at most: so those which are due almost
// together are one waking of the timer, and clients, who go by clocks of their own, do not find it late on a busy machine.
const (
	earlyShare = 20
	maxEarly   = 25 * time.Millisecond
)

// atOnce is how many sessions are taken from the queues under one hold of their lock.
const atOnce = 256

// heartbeats are the queues of a server.
type heartbeats struct {
	interval, timeout, early time.Duration
	start                    time.Time // what times are measured from

	mu       sync.Mutex // guards what follows and Conn.beat; nothing else is locked under it
	quiet    beatQueue  // wait for their next ping
	asked    beatQueue  // wait for their pong
	timer    *time.Timer
	armed    time.Duration // when the timer goes off; 0 if it does not
	sweeping bool
	stopped  bool
	batch    []due // of sweep
}

// beat is a session's place in a queue.
type beat struct {
	queue      *beatQueue // nil if it is in none
	prev, next *Conn
	due        time.Duration
}

type beatQueue struct{ head, tail *Conn }

// due is a session whose time has come.
type due struct {
	conn *Conn
	lost bool // it has not answered; otherwise it is to be pinged
}

func (h *heartbeats) init(interval, timeout time.Duration) {
	h.interval, h.timeout, h.start = interval, timeout, time.Now()
	h.early = min(interval/earlyShare, timeout/earlyShare, maxEarly)
}

func (h *heartbeats) now() time.Duration { return time.Since(h.start) }

// join begins the heartbeat of a new session.
func (h *heartbeats) join(c *Conn) { h.move(c, nil, &h.quiet, h.interval) }

// answered notes a pong.
func (h *heartbeats) answered(c *Conn) { h.move(c, &h.asked, &h.quiet, h.interval) }

// excuse gives a client time for its pong anew, if one is waited for: nobody has read what it sends.
func (h *heartbeats) excuse(c *Conn) { h.move(c, &h.asked, &h.asked, h.timeout) }

// again is excuse for a client that was taken for lost already.
func (h *heartbeats) again(c *Conn) { h.move(c, nil, &h.asked, h.timeout) }

// move puts a session that stands in the queue from at the end of the queue to.
func (h *heartbeats) move(c *Conn, from, to *beatQueue, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.beat.queue != from || h.stopped {
		return
	}
	h.remove(c)
	h.push(c, to, wait)
	h.arm()
}

// leave ends the heartbeat of a session.
func (h *heartbeats) leave(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(c)
}

// stop ends all heartbeats.
func (h *heartbeats) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

// push is called with the lock.
func (h *heartbeats) push(c *Conn, q *beatQueue, wait time.Duration) {
	c.beat = beat{queue: q, prev: q.tail, due: h.now() + wait}
	if q.tail != nil {
		q.tail.beat.next = c
	} else {
		q.head = c
	}
	q.tail = c
}

// remove is called with the lock.
func (h *heartbeats) remove(c *Conn) {
	b := c.beat
	if b.queue == nil {
		return
	}
	if b.prev != nil {
		b.prev.beat.next = b.next
	} else {
		b.queue.head = b.next
	}
	if b.next != nil {
		b.next.beat.prev = b.prev
	} else {
		b.queue.tail = b.prev
	}
	c.beat = beat{}
}

// arm sets the timer for the first of both queues, if it is not set for as early already. Called with the lock.
func (h *heartbeats) arm() {
	if h.sweeping || h.stopped {
		return
	}
	first := time.Duration(0)
	for _, head := range []*Conn{h.quiet.head, h.asked.head} {
		if head != nil && (first == 0 || head.beat.due < first) {
			first = head.beat.due
		}
	}
	if first == 0 || h.armed != 0 && h.armed <= first {
		return
	}
	h.armed = first
	wait := max(first-h.early-h.now(), 0)
	if h.timer == nil {
		h.timer = time.AfterFunc(wait, h.sweep)
	} else {
		h.timer.Reset(wait)
	}
}

// sweep pings and drops those whose time has come. The timer calls it.
func (h *heartbeats) sweep() {
	h.mu.Lock()
	if h.sweeping || h.stopped {
		h.mu.Unlock()
		return
	}
	h.sweeping, h.armed = true, 0
	for h.take() {
		batch := h.batch
		h.mu.Unlock()
		for _, d := range batch {
			if d.lost {
				d.conn.unanswered()
			} else {
				d.conn.ping()
			}
		}
		clear(batch)
		h.mu.Lock()
	}
	h.sweeping = false
	h.arm()
	h.mu.Unlock()
}

// take moves those whose time has come, but not too many at once, into the batch, and those that are pinged to the other queue. It
// returns false if there are none. Called with the lock.
func (h *heartbeats) take() bool {
	h.batch = h.batch[:0]
	until := h.now() + h.early
	for c := h.asked.head; c != nil && c.beat.due <= until && len(h.batch) < atOnce; c = h.asked.head {
		h.remove(c)
		h.batch = append(h.batch, due{conn: c, lost: true})
	}
	for c := h.quiet.head; c != nil && c.beat.due <= until && len(h.batch) < atOnce; c = h.quiet.head {
		h.remove(c)
		h.push(c, &h.asked, h.timeout)
		h.batch = append(h.batch, due{conn: c})
	}
	return len(h.batch) > 0 && !h.stopped
}
