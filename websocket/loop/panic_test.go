package loop_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func TestAHandlerThatPanicsLosesOnlyItsConnection(t *testing.T) {
	for _, where := range []string{"Open", "Message", "Go", "Close", "Drained", "go after go"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				var log record
				closed := make(chan error, 4)
				var bad sync.Map // the first connection is the bad one
				in := func(c *loop.Conn, here string) {
					first, _ := bad.LoadOrStore("first", c)
					if first == c && here == where {
						panic("on purpose")
					}
				}
				s := d.start(t, loop.Handler{
					Open: func(c *loop.Conn) { in(c, "Open") },
					Message: func(c *loop.Conn, typ websocket.MessageType, p []byte) {
						in(c, "Message")
						if where == "Drained" {
							c.NotifyDrained(0)
						}
						if where == "Go" || where == "go after go" {
							c.Go(func() { in(c, "Go") })
						}
						if where == "go after go" {
							first, _ := bad.Load("first")
							if first == c {
								c.Go(func() { t.Error("the second function runs") })
							}
						}
						c.Write(typ, p)
					},
					Drained: func(c *loop.Conn) { in(c, "Drained") },
					Close: func(c *loop.Conn, err error) {
						closed <- err
						in(c, "Close")
					},
				}, loop.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
				p := s.peer()
				if where == "Close" {
					p.send(closing(1000, ""))
				} else {
					p.send(text("x"))
					p.wantClose(1011, "")
				}
				err := receive(t, closed, "Close")
				if where != "Close" {
					wantError(t, err, nil, "the handler panicked")
				}
				until(t, "the panic is logged with its stack", func() bool {
					return strings.Contains(log.String(), "a handler panicked") && strings.Contains(log.String(), "panic_test.go")
				})
				other := s.peer(text("still here"))
				other.want(wire.Text, "still here")
			})
		})
	}
}

func TestAnAbortingHandlerIsNotLogged(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var log record
		closed := make(chan error, 1)
		s := d.start(t, loop.Handler{
			Message: func(*loop.Conn, websocket.MessageType, []byte) { panic(http.ErrAbortHandler) },
			Close:   func(_ *loop.Conn, err error) { closed <- err },
		}, loop.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		s.peer().send(text("x"))
		wantError(t, receive(t, closed, "Close"), websocket.ErrClosed, "")
		if log.String() != "" {
			t.Errorf("logged: %s", log.String())
		}
	})
}

// Dropped may write the notice of a gap, though that drops again.
func TestDroppedMayWrite(t *testing.T) {
	for name, policy := range map[string]loop.Policy{"drop oldest": loop.DropOldest, "conflate": loop.Conflate} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d driver) {
				const messages = 3000
				var mu sync.Mutex
				calls, depth, told := 0, 0, 0
				opened := make(chan *loop.Conn, 1)
				s := d.start(t, loop.Handler{
					Open: func(c *loop.Conn) { opened <- c },
					Dropped: func(c *loop.Conn, d loop.Drop) {
						mu.Lock()
						calls++
						told += d.Messages
						if depth++; depth > 1 {
							t.Error("Dropped is called while it runs")
						}
						mu.Unlock()
						c.Write(websocket.Text, []byte("a gap"))
						mu.Lock()
						depth--
						mu.Unlock()
					},
				}, loop.Options{Outbox: loop.Outbox{Bytes: 4 << 10, Policy: policy}})
				p := s.peer()
				c := receive(t, opened, "Open")
				for range messages {
					c.Write(websocket.Binary, make([]byte, 4<<10))
				}
				mu.Lock()
				if calls == 0 || calls > 2*messages+100 {
					t.Errorf("%d calls for %d messages", calls, messages)
				}
				mu.Unlock()
				p.hangUp()
				until(t, "every drop is told", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return told == int(s.Stats().Dropped)
				})
			})
		})
	}
}

func TestASecondShutdownCutsTheFirstShort(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened := make(chan struct{}, 2)
		s := d.start(t, loop.Handler{Open: func(*loop.Conn) { opened <- struct{}{} }}, loop.Options{})
		for range 2 {
			s.peer()
			receive(t, opened, "Open")
		}
		first := make(chan error, 1)
		begun := make(chan struct{}, 2)
		go func() {
			first <- s.ShutdownPaced(context.Background(), loop.Drain{Window: 1 << 50, Close: func(*loop.Conn) { begun <- struct{}{} }})
		}()
		until(t, "it is shutting down", func() bool { return s.Serve(listen(t)) == http.ErrServerClosed })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Shutdown(ctx); err != http.ErrServerClosed {
			t.Errorf("the second returned %v", err)
		}
		wantError(t, receive(t, first, "the first Shutdown"), context.Canceled, "")
	})
}
