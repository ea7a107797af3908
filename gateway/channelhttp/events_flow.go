// Event streams on goroutines of HTTP: over HTTP/2, and wherever a connection cannot be taken over.

package channelhttp

import (
	"errors"
	"math"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
)

// flow is a client of an event stream that a goroutine of HTTP writes. It treats slow readers as a line does.
type flow struct {
	listener
	session *hub.Session
	remote  string
	bound   int           // bytes that may wait
	age     time.Duration // that a listener may take to read what is written in one go
	news    chan struct{} // 1 if there is something to write, or nothing more will be
	taps    line.Taps     // those who watch
	control *http.ResponseController

	mu      sync.Mutex // guards what follows
	queue   [][]byte
	waiting int       // bytes in queue, and being written
	behind  time.Time // when what waits became too much; zero if it is not
	cause   error     // the stream ends once what waits is written
	closed  bool      // nothing more is taken
	overrun bool      // because too much waits; nothing more is written, either
}

const (
	// patience is how long publishers wait for a listener that lags, all in all.
	patience = 100 * time.Millisecond
	// perPiece is what a piece in the queue is charged beside its bytes.
	perPiece = 64
	// batch is how many bytes are written in one go, if a piece is not larger.
	batch = 16 << 10
)

func (f *flow) Session() *hub.Session { return f.session }

func (f *flow) Receive(p *hub.Publication) hub.Reception { return f.receive(f, p) }

func (f *flow) Notify(n *hub.Notice) { f.notify(f, n) }

// Send queues own, of which it makes a copy, and shared, which it does not.
func (f *flow) Send(own, shared []byte) hub.Reception {
	piece := shared
	if len(own) > 0 {
		piece = append(append(make([]byte, 0, len(own)+len(shared)), own...), shared...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return hub.Refused
	}
	f.queue = append(f.queue, piece)
	f.waiting += len(piece) + perPiece
	if f.waiting > f.bound && len(f.queue) > 1 {
		f.queue, f.closed, f.overrun = nil, true, true
		f.cause = hub.Errorf(hub.SlowConsumer, "slow consumer: %d bytes wait to be read, the limit is %d", f.waiting, f.bound)
		f.wake()
		f.control.SetWriteDeadline(time.Now()) // a write may be waiting for the client; the hub's lock keeps the stream from ending meanwhile
		return hub.Refused
	}
	f.wake()
	return f.reception()
}

// reception is called with the lock.
func (f *flow) reception() hub.Reception {
	switch {
	case f.behind.IsZero() && f.waiting <= f.bound/2:
		return hub.Taken
	case f.behind.IsZero():
		f.behind = time.Now()
		return hub.Late
	case time.Since(f.behind) < patience:
		return hub.Late
	}
	return hub.Overdue
}

// Describe implements [hub.Describer].
func (f *flow) Describe() hub.Description {
	f.mu.Lock()
	defer f.mu.Unlock()
	return hub.Description{Transport: "sse", Protocol: "events", Fixed: true, Remote: f.remote, Waiting: f.waiting}
}

// Tap implements [hub.Tapper].
func (f *flow) Tap(tell func(hub.Frame)) (stop func(), ok bool) {
	events := &line.Events{Tell: tell}
	return f.taps.Add(func(seen hub.Frame) { events.Write(seen.Payload) }), true
}

// End implements [hub.Receiver].
func (f *flow) End(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.queue = append(f.queue, f.gateway.lastWords(cause))
	f.closed, f.cause = true, cause
	f.wake()
}

func (f *flow) wake() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// flowEvents serves the stream until it ends.
func (g *Gateway) flowEvents(w http.ResponseWriter, r *http.Request, q *request) error {
	f := &flow{listener: g.newListener(q), remote: r.RemoteAddr, bound: g.options.OutboxBytes, age: g.options.OutboxAge, news: make(chan struct{}, 1),
		control: http.NewResponseController(w)}
	err := g.lines.Refused()
	if err != nil {
		return err
	}
	if f.session, err = g.hub.Open(f, q.who); err != nil {
		return err
	}
	defer f.session.Close()
	if err := f.join(r, f, q); err != nil {
		return err
	}
	f.control.SetReadDeadline(time.Time{}) // the request is read; the server's time-out is not for this
	w.WriteHeader(http.StatusOK)
	f.run(w, r, g.options.Accept.KeepAlive.Interval)
	if cause := f.why(); cause != nil {
		f.session.Blame(cause)
		g.lines.Journal().Ended(f.session, nil, 0, cause)
	} else {
		g.lines.Journal().Gone(f.session, nil, nil)
	}
	return nil
}

// why is the cause for which the server has ended the stream, or nil.
func (f *flow) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause
}

// run writes what comes until the client goes or the session ends, which it does in its turn when the gateway stops. A stream that
// was quiet for as long as pace has a heartbeat; none if pace is negative.
func (f *flow) run(w http.ResponseWriter, r *http.Request, pace time.Duration) {
	if pace < 0 {
		pace = math.MaxInt64
	}
	beat := time.NewTicker(pace)
	defer beat.Stop()
	lines := f.gateway.lines
	leaving, turn := lines.Leaving(), (<-chan time.Time)(nil)
	for {
		for pieces := f.take(); len(pieces) > 0; pieces = f.take() {
			if err := f.write(w, pieces...); err != nil {
				return
			}
			f.wrote(pieces)
			beat.Reset(pace)
		}
		if f.over() {
			return
		}
		select {
		case <-f.news:
		case <-beat.C:
			if err := f.write(w, []byte(heartbeat)); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-leaving:
			leaving, turn = nil, time.After(lines.Turn())
		case <-turn:
			f.End(hub.ErrShutdown)
		}
	}
}

// write writes and flushes, and gives the client its time. A client that lets it pass is to blame for its end.
func (f *flow) write(w http.ResponseWriter, pieces ...[]byte) error {
	for _, piece := range pieces {
		f.taps.Tell(hub.Frame{Payload: piece})
	}
	err := f.writeInTime(w, pieces...)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		f.mu.Lock()
		if f.closed = true; !f.overrun {
			f.cause = hub.Errorf(hub.SlowConsumer, "slow consumer: nothing was read for %v", f.age)
		}
		f.mu.Unlock()
	}
	return err
}

func (f *flow) writeInTime(w http.ResponseWriter, pieces ...[]byte) error {
	f.bear(time.Now().Add(f.age))
	defer f.bear(time.Time{}) // over HTTP/2 it would end a stream that is merely quiet
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return f.control.Flush()
}

// bear sets how long writes may take; where that is not supported, the server's time-outs hold. A listener for which too much waits has no time left.
func (f *flow) bear(until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.overrun {
		f.control.SetWriteDeadline(until)
	}
}

// take takes what is to be written next.
func (f *flow) take() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, size := 0, 0
	for n < len(f.queue) && (n == 0 || size+len(f.queue[n]) <= batch) {
		size += len(f.queue[n])
		n++
	}
	pieces := f.queue[:n]
	if f.queue = f.queue[n:]; len(f.queue) == 0 {
		f.queue = nil
	}
	return pieces
}

// wrote notes that pieces are written; a listener that has caught up gets what was held back from it.
func (f *flow) wrote(pieces [][]byte) {
	f.mu.Lock()
	for _, piece := range pieces {
		f.waiting -= len(piece) + perPiece
	}
	ready := !f.behind.IsZero() && f.waiting <= f.bound/4
	if ready {
		f.behind = time.Time{}
	}
	f.mu.Unlock()
	if ready {
		f.session.Ready()
	}
}

// over tells whether everything is written and nothing more will come.
func (f *flow) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed && len(f.queue) == 0
}
