// How a client that reads slowly is noticed, and one that publishes fast is held to what the others can take.
//
// Publishing never waits: a publication is put into the outboxes of its channel's lines. Somebody who sends ten thousand
// messages in one go could overflow outboxes whose clients are not slow at all, and keep an event loop busy for seconds. So
// the handler lets go of such a connection now and then: what it has sent stays in its socket meanwhile.

package line

import (
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket/loop"
)

const (
	// breath is after how many deliveries for one client its event loop turns to the others: about a millisecond.
	breath = 10_000
	// gather is how many publications are taken in any case, so that those which came together leave together.
	gather = 16
	// CatchUp is how long a publisher waits when it is told that somebody lags.
	CatchUp = 5 * time.Millisecond
	// patience is how long a line that lags is waited for, all in all: much longer than a healthy client is kept from
	// reading on a busy machine, short enough for the wait to go unnoticed.
	patience = 100 * time.Millisecond
)

// reception tells what becomes of what was just put into the outbox. A line is late from when its outbox is half full until it is a
// quarter full; the hub is then told that it is ready.
func (l *Line) reception(c *loop.Conn) hub.Reception {
	waiting := 0
	if c != nil {
		waiting = c.Waiting()
	} else {
		waiting = l.waitsEarly()
	}
	r, armed := l.judge(waiting)
	if armed && c == nil {
		c = l.conn.Load() // it may have opened meanwhile; if it opens later, it sees that we are behind
	}
	if armed && c != nil {
		c.NotifyDrained(l.lines.outbox / 4)
	}
	return r
}

func (l *Line) waitsEarly() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.early == nil {
		return 0
	}
	return l.early.bytes
}

// judge tells how a line stands of which so many bytes wait, and whether it has just become late.
func (l *Line) judge(waiting int) (r hub.Reception, late bool) {
	since := l.behind.Load()
	switch {
	case since == 0 && waiting <= l.lines.outbox/2:
		return hub.Taken, false
	case since == 0:
		l.behind.Store(int64(time.Since(l.lines.started)) | 1) // never 0
		return hub.Late, true
	case waiting <= l.lines.outbox/4: // the notice is on its way
		return hub.Taken, false
	case time.Since(l.lines.started)-time.Duration(since) < patience:
		return hub.Late, false
	}
	return hub.Overdue, false
}

// drained is called on the connection's handler goroutine once the peer has read up.
func (l *Line) drained() {
	l.behind.Store(0)
	l.session.Ready()
}

// pause decides when a publisher has to wait.
type pause struct {
	deliveries, publications int // since the last one
}

// after tells whether and how long the publisher waits, now that it has published with this receipt.
func (p *pause) after(r hub.Receipt) (wait time.Duration, ok bool) {
	p.deliveries += r.Subscribers
	p.publications++
	if r.Late == 0 && (p.deliveries < breath || p.publications < gather) {
		return 0, false
	}
	p.deliveries, p.publications = 0, 0
	if r.Late > 0 {
		wait = CatchUp
	}
	return wait, true
}

// Publish publishes on behalf of the client, from within Heard, of which it is the last thing, and holds the client back for as long as
// others need: directly where the broker answers at once. Otherwise what came together is published together, aside. failed is told what
// could not be published, on whichever goroutine that was; of what comes with it, nothing behind it is published then.
func (l *Line) Publish(p *hub.Publication, failed func(error)) {
	if l.lines.hub.Remote() {
		l.add(p, failed)
		return
	}
	receipt, err := l.session.Publish(l.lines.ctx, p, hub.PublishOptions{})
	if err != nil {
		failed(err)
	}
	l.Pace(receipt)
}

// Pace holds the client back after it has published. It is for Opened and Heard, as the last thing they do, once.
func (l *Line) Pace(r hub.Receipt) {
	if wait, ok := l.pause.after(r); ok {
		l.Aside(func() { time.Sleep(wait) })
	}
}

// Hold tells whether and how long the client is to be held back after it has published. It is for those that publish several times
// within one call of Heard, and wait themselves, in a function given to Aside. One at a time may call it.
func (l *Line) Hold(r hub.Receipt) (wait time.Duration, ok bool) { return l.pause.after(r) }

// Aside runs f, which may wait, on a goroutine of its own; the client is not heard until it has returned. It is for Opened and Heard,
// once in a call.
func (l *Line) Aside(f func()) { l.conn.Load().Go(f) }
