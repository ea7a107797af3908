// Echo: each connection sends, and hears its own words.

package loadtest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Echo sends messages over all connections for [Options.Duration] to a server that sends each back to its sender. It
// refuses to load a server of another manner.
func Echo(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	defer r.report()()
	switch manner, err := r.probe(ctx, r.o.Patience); {
	case err != nil:
		return nil, err
	case manner == silent:
		return nil, errors.New("the server is no echo: what was sent did not come back")
	case manner == sharing:
		return nil, errors.New("the server is no echo: it sends what one client says to others too; use fanout for it")
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
	r.talk(ctx)
	return r.finish(ctx), r.look(after)
}

// talk lets all connections send and hear.
func (r *run) talk(ctx context.Context) {
	r.enter("running")
	began := time.Now()
	f := newFlow()
	hearing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	said := text(r.o.Size)
	var talkers sync.WaitGroup
	for i, c := range r.conns {
		t := &talker{
			run: r, flow: f, conn: c, said: said,
			pace: newPace(began, r.o.Rate, i, len(r.conns)),
			room: make(chan struct{}, r.o.InFlight),
			sent: make(chan time.Time, r.o.InFlight),
			gone: make(chan struct{}),
		}
		talkers.Go(func() { t.live(hearing) })
	}
	over := make(chan struct{})
	go func() { // ends with the talkers, whom the end of hearing ends
		talkers.Wait()
		close(over)
	}()
	missing := f.run(ctx, r.o.Duration, r.o.Patience, nil, over)
	r.result.Elapsed = time.Since(began)
	cancel()
	<-over
	if missing > 0 {
		r.failed(missing, "no answer within "+r.o.Patience.String())
	}
}

// talker is one connection that sends and hears. Its room bounds what is in flight, its sent holds the time of each
// message that is: both have that capacity.
type talker struct {
	*run
	flow *flow
	conn *websocket.Conn
	said []byte
	pace pace
	room chan struct{}
	sent chan time.Time
	gone chan struct{} // closed when there is nothing more to hear
}

func (t *talker) live(ctx context.Context) {
	var sender sync.WaitGroup
	sender.Go(func() { t.send(ctx) })
	t.hear(ctx)
	close(t.gone)
	sender.Wait()
	if ctx.Err() == nil {
		t.failed(len(t.sent), "answer lost with its connection")
		t.flow.end(len(t.sent))
	}
}

// send sends whenever there is room, and not before a message is due.
func (t *talker) send(ctx context.Context) {
	for n := 0; ; n++ {
		at, ok := t.pace.wait(n, t.flow, t.gone)
		if !ok {
			return
		}
		select {
		case t.room <- struct{}{}:
		case <-t.flow.stopped:
			return
		case <-t.gone:
			return
		}
		if !t.flow.begin(1) {
			return
		}
		if at.IsZero() {
			at = time.Now()
		}
		t.sent <- at
		if t.conn.Write(ctx, websocket.Text, t.said) != nil {
			return // hear will know why
		}
		t.count()
	}
}

func (t *talker) count() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Sent++
}

// hear takes answers until ctx ends, or the connection.
func (t *talker) hear(ctx context.Context) {
	for m, err := range t.conn.Messages(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.lost(t.conn, err)
			return
		}
		select {
		case at := <-t.sent:
			if bytes.Equal(m.Data, t.said) {
				t.answered(len(m.Data), time.Since(at))
			} else {
				t.failed(1, errOtherAnswer.Error())
			}
			<-t.room
			t.flow.end(1)
		default:
			t.failed(1, "a message that answers nothing")
		}
	}
	if ctx.Err() == nil {
		t.lost(t.conn, nil)
	}
}
