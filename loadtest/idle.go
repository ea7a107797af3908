// Idle connections.

package loadtest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Idle opens connections, lets the server echo one message on each if it is an echo, and holds them for
// [Options.Duration].
func Idle(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	defer r.report()()
	manner, err := r.probe(ctx, min(r.o.Patience, time.Second))
	if err != nil {
		return nil, err
	}
	if err := r.look(before); err != nil {
		return nil, err
	}
	defer r.hangUp()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := r.look(open); err != nil {
		return nil, err
	}
	if manner == echoing && ctx.Err() == nil {
		r.result.Echoed = true
		r.echoOnce(ctx)
	}
	r.hold(ctx)
	return r.finish(ctx), r.look(after)
}

// echoOnce makes every connection do what connections do, so that buffers it keeps afterwards are counted.
func (r *run) echoOnce(ctx context.Context) {
	said := text(r.o.Size)
	r.each(func(c *websocket.Conn) {
		within, cancel := context.WithTimeout(ctx, r.o.Patience)
		defer cancel()
		began := time.Now()
		err := c.Write(within, websocket.Text, said)
		if err == nil {
			var got []byte
			if _, got, err = c.Read(within); err == nil && !bytes.Equal(got, said) {
				err = errOtherAnswer
			}
		}
		switch {
		case err == nil:
			r.answered(len(said), time.Since(began))
		case ctx.Err() == nil:
			r.failed(1, "echoing once: "+kindOf(err))
		}
	})
}

var errOtherAnswer = errors.New("the answer is not what was sent")

// hold keeps the connections open: it answers pings, and notices which end.
func (r *run) hold(ctx context.Context) {
	r.enter("running")
	began := time.Now()
	held, cancel := context.WithTimeout(ctx, r.o.Duration)
	defer cancel()
	var holders sync.WaitGroup
	for _, c := range r.conns {
		holders.Go(func() { r.discard(held, c) })
	}
	<-held.Done()
	holders.Wait()
	r.result.Elapsed = time.Since(began)
}

// discard reads until ctx ends, or the connection, which is then lost.
func (r *run) discard(ctx context.Context, c *websocket.Conn) {
	for _, err := range c.Messages(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.lost(c, err)
			return
		}
	}
	r.lost(c, nil)
}
