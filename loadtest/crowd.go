// The connections of a run, from the first handshake to the last goodbye.

package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

const goodbyeLimit = 10 * time.Second // for the closing handshakes of all connections

func (r *run) dial(ctx context.Context) (*websocket.Conn, error) {
	began := time.Now()
	c, _, err := websocket.Dial(ctx, r.o.URL, &r.o.Dial)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.result.Handshakes.Record(time.Since(began), 1)
	}
	return c, err
}

// dialing is what the goroutines that open connections share.
type dialing struct {
	*run
	mu     sync.Mutex // guards what is below, and run.conns; taken before run.mu
	begun  int
	streak int   // failures since the last success
	first  error // of all
}

// connect opens all connections. It gives up when as many handshakes as may be under way at a time have failed in a row.
// The error is that of a run that has no connection at all.
func (r *run) connect(ctx context.Context) error {
	began := time.Now()
	d := &dialing{run: r}
	var dialers sync.WaitGroup
	for range min(r.o.DialsAtOnce, r.o.Connections) {
		dialers.Go(func() {
			for d.proceed(ctx) {
				c, err := r.dial(ctx)
				d.dialed(ctx, c, err)
			}
		})
	}
	dialers.Wait()
	r.result.Connecting = time.Since(began)
	if skipped := r.o.Connections - d.begun; skipped > 0 && ctx.Err() == nil {
		r.failed(skipped, "not tried, because too many handshakes in a row had failed")
	}
	if len(r.conns) == 0 && d.first != nil {
		return fmt.Errorf("no connection opened: %w", d.first)
	}
	return nil
}

// proceed reports whether another handshake may begin.
func (d *dialing) proceed(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil || d.begun == d.o.Connections || d.streak >= d.o.DialsAtOnce {
		return false
	}
	d.begun++
	return true
}

func (d *dialing) dialed(ctx context.Context, c *websocket.Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.streak = 0
		d.conns = append(d.conns, c)
		d.opened()
	case ctx.Err() == nil: // otherwise it is we who gave up
		d.streak++
		if d.first == nil {
			d.first = err
		}
		d.failed(1, "connecting: "+kindOf(err))
	}
}

func (r *run) opened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Opened++
	r.open++
}

// each does something with all connections, several at a time.
func (r *run) each(do func(c *websocket.Conn)) {
	var workers sync.WaitGroup
	for first := range r.o.DialsAtOnce {
		workers.Go(func() {
			for i := first; i < len(r.conns); i += r.o.DialsAtOnce {
				do(r.conns[i])
			}
		})
	}
	workers.Wait()
}

// hangUp closes all connections, politely at first.
func (r *run) hangUp() {
	r.enter("closing")
	cut := time.AfterFunc(goodbyeLimit, func() {
		for _, c := range r.conns {
			c.CloseNow()
		}
	})
	defer cut.Stop()
	r.each(func(c *websocket.Conn) {
		c.Close(websocket.StatusNormalClosure, "") // how it ends is of no interest any more
	})
}
