// One run: its counters, which all its connections share, and its progress.

package loadtest

import (
	"context"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

const progressInterval = 250 * time.Millisecond

// run is the state that all kinds share. Its counters are written by the goroutines of all connections.
type run struct {
	o     Options
	conns []*websocket.Conn // that opened

	mu      sync.Mutex // guards what is below
	result  Result
	phase   string
	open    int
	started time.Time // of the phase
}

func newRun(o Options) (*run, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	r := &run{o: o, phase: "connecting", started: time.Now()}
	r.result.Wanted = o.Connections
	r.result.Errors = make(map[string]int)
	if o.PID != 0 {
		r.result.Server = new(Server)
	}
	return r, nil
}

// look notes what the server's process uses at this moment.
func (r *run) look(into func(*Server) *Process) error {
	if r.o.PID == 0 {
		return nil
	}
	p, err := readProcess(r.o.PID)
	*into(r.result.Server) = p
	return err
}

func before(s *Server) *Process { return &s.Before }
func open(s *Server) *Process   { return &s.Open }
func after(s *Server) *Process  { return &s.After }

// enter begins a phase.
func (r *run) enter(phase string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase, r.started = phase, time.Now()
}

// report tells Progress how far the run is, until stop is called.
func (r *run) report() (stop func()) {
	if r.o.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			r.o.Progress(r.progress())
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		reporter.Wait()
	}
}

func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{
		Phase: r.phase, Wanted: r.o.Connections, Connections: r.open, Messages: r.result.Messages,
		Elapsed: time.Since(r.started), Duration: r.o.Duration,
	}
	for _, n := range r.result.Errors {
		p.Failures += n
	}
	return p
}

// failed counts n errors of a kind.
func (r *run) failed(n int, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Errors[kind] += n
}

// lost counts a connection that has ended too early. A nil error stands for a normal close by the server.
func (r *run) lost(c *websocket.Conn, err error) {
	kind := ""
	if code, reason, ok := c.PeerStatus(); ok {
		kind = closedWith(code, reason)
	} else if err != nil {
		kind = kindOf(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Errors["connection lost: "+kind]++
	r.result.Lost++
	r.open--
}

// answered counts a message that came as it should.
func (r *run) answered(bytes int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Messages++
	r.result.Bytes += bytes
	r.result.Latencies.Record(took, 1)
}

// finish is the end of every kind.
func (r *run) finish(ctx context.Context) *Result {
	r.result.Interrupted = ctx.Err() != nil
	return &r.result
}
