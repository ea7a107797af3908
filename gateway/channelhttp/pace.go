// How a client that publishes fast is held to what the others can take.
//
// Publishing never waits: a publication is put into the outboxes of its channel's lines. Somebody who sends ten thousand
// messages in one go could overflow outboxes whose clients are not slow at all, and keep an event loop busy for seconds. So
// the handler lets go of such a connection now and then: what it has sent stays in its socket meanwhile.

package channelhttp

import (
	"time"

	"github.com/ringdown/ringdown/hub"
)

const (
	// breath is after how many deliveries for one client its event loop turns to the others: about a millisecond.
	breath = 10_000
	// catchUp is how long a publisher waits when it is told that somebody lags.
	catchUp = 5 * time.Millisecond
	// patience is how long a line that lags is waited for, all in all: much longer than a healthy client is kept from
	// reading on a busy machine, short enough for the wait to go unnoticed.
	patience = 100 * time.Millisecond
)

// pause decides when a publisher has to wait.
type pause struct {
	deliveries int // since the last one
}

// after tells whether and how long the publisher waits, now that it has published with this receipt.
func (p *pause) after(r hub.Receipt) (wait time.Duration, ok bool) {
	p.deliveries += r.Taken
	if r.Late == 0 && p.deliveries < breath {
		return 0, false
	}
	p.deliveries = 0
	if r.Late > 0 {
		wait = catchUp
	}
	return wait, true
}

// lags tells whether publishers should wait for this line, of which so many bytes wait: its outbox became half full, and is
// still more than a quarter full, and patience with it has not run out. The line that does not catch up is not waited for
// again until it has.
func (l *line) lags(waiting int) bool {
	outbox := l.gateway.options.OutboxBytes
	if waiting <= outbox/4 {
		l.behind = 0
		return false
	}
	if l.behind == 0 {
		if waiting <= outbox/2 {
			return false
		}
		l.behind = time.Since(l.gateway.started)
		return true
	}
	return time.Since(l.gateway.started)-l.behind < patience
}
