// Who is to blame: no connection is cut for the time that the program takes, or that another's handler does, and nobody
// waits for peers that say nothing.

package loop_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// pass waits until the clock of c's server has gone on by so many ticks.
func pass(c *loop.Conn, ticks uint32) {
	for start := c.Ticks(); c.Ticks() < start+ticks; {
		time.Sleep(ms)
	}
}

func TestAPeerIsNotCutWhileItsHandlerRuns(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]websocket.AcceptOptions{
		"keep-alive":    {KeepAlive: websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}},
		"frame timeout": {Limits: websocket.Limits{FrameTimeout: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				errs, opened := make(chan error, 1), make(chan *loop.Conn, 1)
				s := d.start(t, loop.Handler{
					Open:    func(c *loop.Conn) { opened <- c },
					Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) { pass(c, 35); errs <- c.Err() },
				}, loop.Options{Accept: opts})
				p := s.peer()
				c := receive(t, opened, "Open")
				m := text(lorem(200))
				p.send(m[:100])
				pass(c, 2)
				p.send(m[100:])
				if err := receive(t, errs, "the handler's return"); err != nil {
					t.Errorf("while the handler ran: %v", err)
				}
			})
		})
	}
}

func TestAPeerIsNotCutForAnothersHandler(t *testing.T) {
	t.Parallel()
	release, in := make(chan struct{}), make(chan *loop.Conn, 1)
	arrived, closed := make(chan struct{}, 1), make(chan error, 10)
	s := drivers[0].start(t, loop.Handler{
		Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
			if string(payload) != "block" {
				arrived <- struct{}{}
				return
			}
			in <- c
			<-release
		},
		Close: func(_ *loop.Conn, err error) { closed <- err },
	}, loop.Options{Loops: 1, SlowHandler: -1, Accept: websocket.AcceptOptions{Limits: websocket.Limits{FrameTimeout: 2 * time.Second}}})
	innocent, other := s.peer(), s.peer()
	m := text(lorem(200))
	innocent.send(m[:100])
	other.send(text("block"))
	c := receive(t, in, "the handler that blocks")
	innocent.send(m[100:])
	pass(c, 40)
	close(release)
	select {
	case <-arrived:
	case err := <-closed:
		t.Fatalf("the innocent is cut: %v", err)
	case <-time.After(patience):
		t.Fatal("the innocent's message has not come")
	}
	pass(c, 5)
	if len(closed) > 0 {
		t.Errorf("the innocent is cut later: %v", <-closed)
	}
}

func TestAReaderThatIsSlowButSteadyIsNotCut(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		const size, step = 8 << 20, 256 << 10
		opened := make(chan *loop.Conn, 1)
		opts := loop.Options{Outbox: loop.Outbox{Age: -1}}
		opts.Accept.Limits.WriteTimeout = 2 * time.Second
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) {
			c.Write(websocket.Binary, make([]byte, size))
			opened <- c
		}}, opts)
		p := s.peer()
		c := receive(t, opened, "Open")
		p.tcp.SetDeadline(time.Now().Add(3 * patience))
		for total := 0; total < size; total += step {
			if _, err := p.r.Discard(step); err != nil {
				t.Fatalf("after %d bytes: %v, and Err is %v", total, err, c.Err())
			}
			pass(c, 1)
		}
	})
}

func TestCloseWaitsForAFunctionOfGo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var running atomic.Bool
		cut, closed := make(chan struct{}), make(chan bool, 1)
		s := d.start(t, loop.Handler{
			Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
				running.Store(true)
				c.Go(func() {
					c.CloseNow()
					close(cut)
					pass(c, 3)
					running.Store(false)
				})
				<-cut // the end is there before Message returns
			},
			Close: func(*loop.Conn, error) { closed <- running.Load() },
		}, loop.Options{})
		s.peer().send(text("x"), text("and another"))
		if receive(t, closed, "Close") {
			t.Error("Close is called while a function of Go runs")
		}
	})
}

func TestShutdownEndsThoughTheProgramDoesNot(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"handler", "go", "ready panics"} {
		for _, d := range drivers[:2] {
			t.Run(how+" "+d.name, func(t *testing.T) {
				t.Parallel()
				release, in := make(chan struct{}), make(chan struct{}, 1)
				s, err := loop.New(loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
					in <- struct{}{}
					if how == "go" {
						c.Go(func() { <-release })
					} else {
						<-release
					}
				}}, &loop.Options{Goroutines: d.goroutines, SlowHandler: -1})
				if err != nil {
					t.Fatal(err)
				}
				l := listen(t)
				front := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s.Accept(w, r, func(*loop.Conn) {
						if how == "ready panics" {
							defer func() { in <- struct{}{} }()
							panic("ready")
						}
					})
				})}
				go front.Serve(l)
				defer front.Close()
				p := (&site{Server: s, t: t, addr: l.Addr().String()}).peer()
				if how == "ready panics" {
					receive(t, in, "the panic")
					until(t, "the connection does not count", func() bool { return s.Stats().Connections == 0 })
					p.wantEnd()
				} else {
					p.send(text("x"))
					receive(t, in, "the call")
				}
				ctx, cancel := context.WithTimeout(context.Background(), 100*ms)
				if how == "ready panics" {
					ctx = soon(t)
				}
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- s.Shutdown(ctx) }()
				err = receive(t, done, "Shutdown")
				if want := how != "ready panics"; errors.Is(err, context.DeadlineExceeded) != want {
					t.Errorf("Shutdown returned %v", err)
				}
				close(release)
				until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
			})
		}
	}
}

func TestSilentPeersHoldUpNoHandshake(t *testing.T) {
	t.Parallel()
	s := drivers[2].start(t, loop.Handler{Message: echo}, loop.Options{})
	for i := range 600 {
		p := s.connect()
		if i%2 == 0 { // the beginning of a record
			p.tcp.Write([]byte{22, 3, 1, 2, 0, 1})
		}
	}
	for range 3 {
		p := s.peer(text("here"))
		p.want(wire.Text, "here")
	}
}

func TestAPreparedMessageIsOfATypeThatMayBeWritten(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened := make(chan *loop.Conn, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }}, loop.Options{})
		p := s.peer()
		c := receive(t, opened, "Open")
		for _, op := range []wire.Opcode{wire.Close, wire.Ping, wire.Continuation} {
			wantError(t, c.WritePrepared(websocket.Prepare(websocket.MessageType(op), []byte{3, 232})), nil, "use Text or Binary")
		}
		c.Write(websocket.Text, []byte("only this"))
		p.want(wire.Text, "only this")
	})
}

func TestWhatCameBeforeAViolationIsCounted(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		closed := make(chan error, 1)
		s := d.start(t, loop.Handler{Close: func(_ *loop.Conn, err error) { closed <- err }}, loop.Options{})
		s.peer().send(text("a"), text("b"), []byte{0xff, 0xff})
		receive(t, closed, "Close")
		until(t, "two messages are counted", func() bool { return s.Stats().MessagesIn == 2 })
	})
}
