// What a client publishes faster than a broker beyond a network answers: what came together is published together, so that a client is not
// bound to one publication per round trip, nor its subscribers to one write for each.

package line

import (
	"time"

	"github.com/ringdown/ringdown/hub"
)

// A series has at most so many publications and, beyond the first, bytes.
const (
	maxSeries      = 64
	maxSeriesBytes = 64 << 10
)

// series is what a client has published within one read of its connection.
type series struct {
	publications []*hub.Publication
	bytes        int
	failed       func(error)
}

// add keeps a publication until what came with it has been heard, or it has become much.
func (l *Line) add(p *hub.Publication, failed func(error)) {
	if l.series == nil {
		l.series = &series{failed: failed}
	}
	s := l.series
	s.publications = append(s.publications, p)
	if s.bytes += len(p.Payload); len(s.publications) >= maxSeries || s.bytes >= maxSeriesBytes {
		l.flush(nil)
	}
}

// flush publishes what was kept, aside, and does what comes after it, if anything, there; at once if nothing was kept.
func (l *Line) flush(then func()) {
	s := l.series
	l.series = nil
	switch {
	case s == nil && then != nil:
		then()
		return
	case s == nil:
		return
	}
	l.Aside(func() {
		var longest time.Duration
		err := l.session.PublishSeries(l.lines.ctx, s.publications, func(r hub.Receipt) {
			if wait, ok := l.pause.after(r); ok {
				longest = max(longest, wait)
			}
		})
		switch {
		case err != nil:
			s.failed(err)
		case then != nil:
			then()
		}
		time.Sleep(longest)
	})
}
