// Handlers that take long: Conn.Go, and the warning to those that should have used it.

package loop_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// aside starts a server that answers on a goroutine of the connection's own, once it may: each function waits for a turn.
func aside(t *testing.T, d driver, mode websocket.CompressionMode) (s *site, started chan string, turn chan struct{}, closed chan error) {
	started, turn, closed = make(chan string, 10), make(chan struct{}), make(chan error, 10)
	opts := compressing(mode)
	opts.Loops = 1 // all share it
	opts.Accept.Limits.CloseTimeout = 300 * ms
	s = d.start(t, loop.Handler{
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			m := string(payload)
			if strings.HasPrefix(m, "now ") {
				c.Write(typ, payload)
				return
			}
			c.Go(func() {
				started <- m
				<-turn
				c.Write(typ, []byte("done "+m))
			})
		},
		Close: func(_ *loop.Conn, err error) { closed <- err },
	}, opts)
	return s, started, turn, closed
}

func TestGoKeepsTheOrderAndHoldsUpNobodyElse(t *testing.T) {
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		s, started, turn, _ := aside(t, d, mode)
		dial := websocket.DialOptions{CorkBursts: true, Compression: websocket.Compression{Mode: mode, Threshold: 16}}
		slow, other := s.dial(dial), s.dial(dial)
		slow.Cork()
		for _, m := range []string{"1", "2", "now 3", "4"} { // in one segment
			slow.Write(soon(t), websocket.Text, []byte(m))
		}
		slow.Uncork(soon(t))
		receive(t, started, "the first function")
		slow.Write(soon(t), websocket.Text, []byte("now 5")) // in another, while it runs
		for i := range 5 {
			other.Write(soon(t), websocket.Text, fmt.Appendf(nil, "now %d", i))
			wantMessage(t, other, fmt.Sprintf("now %d", i))
		}
		if len(started) != 0 {
			t.Error("a second function runs beside the first")
		}
		turn <- struct{}{}
		wantMessage(t, slow, "done 1")
		turn <- struct{}{}
		wantMessage(t, slow, "done 2")
		wantMessage(t, slow, "now 3")
		turn <- struct{}{}
		wantMessage(t, slow, "done 4")
		wantMessage(t, slow, "now 5")
	})
}

func TestGoInOpenHoldsBackWhatCameBehindTheHandshake(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		turn := make(chan struct{})
		s := d.start(t, loop.Handler{
			Open:    func(c *loop.Conn) { c.Go(func() { <-turn; c.Write(websocket.Text, []byte("ready")) }) },
			Message: echo,
		}, loop.Options{})
		p := s.peer(text("1"), text("2"))
		p.send(text("3"))
		close(turn)
		for _, want := range []string{"ready", "1", "2", "3"} {
			p.want(wire.Text, want)
		}
	})
}

// Functions that return at once end the pause while the loop is still busy with beginning it.
func TestShortFunctionsKeepTheOrderToo(t *testing.T) {
	const messages = 2000
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			m := bytes.Clone(payload)
			c.Go(func() { c.Write(typ, m) })
		}}, loop.Options{})
		p := s.peer()
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() {
			for i := 0; i < messages; i += 4 {
				p.send(text(fmt.Sprint(i)), text(fmt.Sprint(i+1)), text(fmt.Sprint(i+2)), text(fmt.Sprint(i+3)))
			}
		})
		for i := range messages {
			p.want(wire.Text, fmt.Sprint(i))
		}
	})
}

// What the peer has sent before it went away is delivered when the pause is over, and then the end is.
func TestAPeerThatHangsUpDuringAPauseIsHeardToItsEnd(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(p *peer){
		"closes the line":      func(p *peer) { p.tcp.Close() },
		"closes its direction": func(p *peer) { p.half() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				turn, started := make(chan struct{}), make(chan struct{})
				got, closed := make(chan string, 10), make(chan error, 1)
				s := d.start(t, loop.Handler{
					Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
						got <- string(payload)
						if string(payload) == "1" {
							c.Go(func() { close(started); <-turn })
						}
					},
					Close: func(_ *loop.Conn, err error) { closed <- err },
				}, loop.Options{})
				p := s.peer()
				p.send(text("1"), text("2"))
				receive(t, started, "the pause")
				p.send(text("3"), text("4"))
				leave(p)
				ticks := s.Ticks()
				until(t, "the loop has had time to notice", func() bool { return s.Ticks() > ticks+2 })
				if len(closed) != 0 {
					t.Error("Close is called during the pause")
				}
				close(turn)
				for _, want := range []string{"1", "2", "3", "4"} {
					if m := receive(t, got, "a message"); m != want {
						t.Fatalf("got %q, want %q", m, want)
					}
				}
				wantError(t, receive(t, closed, "Close"), io.EOF, "without a Close frame")
			})
		})
	}
}

// A line that breaks cannot be masked in epoll: the loop must not spin on it, nor forget it.
func TestALineThatBreaksDuringAPauseIsToldAfterIt(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		s, started, turn, closed := aside(t, d, websocket.CompressionOff)
		p := s.peer()
		p.send(text("1"), text("now 2"))
		receive(t, started, "the pause")
		p.hangUp()
		ticks, rounds := s.Ticks(), s.Rounds()
		until(t, "the loop has had time to notice", func() bool { return s.Ticks() > ticks+3 })
		if n := s.Rounds() - rounds; n > 100 {
			t.Errorf("the loop went round %d times for a connection that is paused", n)
		}
		if len(closed) != 0 {
			t.Error("Close is called during the pause")
		}
		turn <- struct{}{}
		if err := receive(t, closed, "Close"); !strings.Contains(err.Error(), "connection lost") && !is(syscall.ECONNRESET)(err) {
			t.Errorf("Close was told %v", err)
		}
	})
}

func TestClosingDuringAPause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		closes func(c *loop.Conn)
		words  string
	}{
		"by Close":    {func(c *loop.Conn) { c.Close(4000, "") }, "did not answer"}, // its answer is not read before the end
		"by CloseNow": {func(c *loop.Conn) { c.CloseNow() }, "closed by this side"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				opened, closed, turn := make(chan *loop.Conn, 1), make(chan error, 1), make(chan struct{})
				opts := loop.Options{Accept: websocket.AcceptOptions{Limits: websocket.Limits{CloseTimeout: 300 * ms}}}
				s := d.start(t, loop.Handler{
					Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
						c.Go(func() { opened <- c; <-turn })
					},
					Close: func(_ *loop.Conn, err error) { closed <- err },
				}, opts)
				p := s.peer()
				p.send(text("1"), text("never delivered"))
				c := receive(t, opened, "the pause")
				test.closes(c)
				until(t, "it has ended", func() bool { return c.Err() != nil })
				if len(closed) != 0 {
					t.Error("Close is called during the pause")
				}
				close(turn)
				wantError(t, receive(t, closed, "Close"), nil, test.words)
			})
		})
	}
}

// Close and Go's end come from goroutines of their own, as the loop keeps what is not delivered yet.
func TestAPauseMayEndAndTheConnectionTooAtTheSameTime(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var closed sync.WaitGroup
		s := d.start(t, loop.Handler{
			Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
				c.Go(func() {
					if payload := len(payload); payload%3 == 0 {
						c.CloseNow()
					}
				})
				go c.Close(1000, "")
			},
			Close: func(*loop.Conn, error) { closed.Done() },
		}, loop.Options{})
		for i := range 100 {
			closed.Add(1)
			p := s.peer()
			p.send(text(strings.Repeat("x", i)), text("2"), text("3"), closing(1000, ""))
		}
		done := make(chan struct{})
		go func() { closed.Wait(); close(done) }()
		receive(t, done, "all connections to be closed")
	})
}

// log is where warnings go.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAHandlerThatHoldsUpItsLoopIsNamed(t *testing.T) {
	for _, d := range []driver{drivers[0], drivers[2]} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			var out log
			turn := make(chan struct{})
			s := d.start(t, loop.Handler{Message: func(*loop.Conn, websocket.MessageType, []byte) { <-turn }},
				loop.Options{SlowHandler: 200 * ms, Log: slog.New(slog.NewTextHandler(&out, nil))})
			p := s.peer()
			p.send(text("1"))
			until(t, "it is logged", func() bool { return s.Stats().SlowHandlers == 1 })
			until(t, "the peer is named", func() bool {
				return strings.Contains(out.String(), "peer="+p.tcp.LocalAddr().String()) && strings.Contains(out.String(), "for=200ms")
			})
			close(turn)
			if lag := s.Stats().LoopLag; lag < 200*ms {
				t.Errorf("loop lag %v", lag)
			}
			if n := strings.Count(out.String(), "\n"); n != 1 {
				t.Errorf("%d lines: %s", n, out.String())
			}
		})
	}
}

// The end of a Unix socket is a hang-up at once, also while there is something to be read.
func TestAUnixPeerThatHangsUpDuringAPauseIsHeardToItsEnd(t *testing.T) {
	for _, d := range drivers[:2] {
		t.Run(d.name, func(t *testing.T) {
			turn, started := make(chan struct{}), make(chan struct{})
			got, closed := make(chan string, 10), make(chan error, 1)
			s := d.start(t, loop.Handler{
				Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
					got <- string(payload)
					if string(payload) == "1" {
						c.Go(func() { close(started); <-turn })
					}
				},
				Close: func(_ *loop.Conn, err error) { closed <- err },
			}, loop.Options{})
			path := filepath.Join(t.TempDir(), "socket")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			go s.Serve(l)
			nc, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			nc.Write([]byte(upgrade + "\r\n"))
			if _, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil {
				t.Fatal(err)
			}
			nc.Write(append(text("1"), text("2")...))
			receive(t, started, "the pause")
			nc.Write(append(text("3"), text("4")...))
			nc.Close()
			ticks := s.Ticks()
			until(t, "the loop has had time to notice", func() bool { return s.Ticks() > ticks+2 })
			close(turn)
			for _, want := range []string{"1", "2", "3", "4"} {
				if m := receive(t, got, "a message"); m != want {
					t.Fatalf("got %q, want %q", m, want)
				}
			}
			wantError(t, receive(t, closed, "Close"), io.EOF, "without a Close frame")
		})
	}
}

func TestTheLastWordOnWhatCameTogetherIsTheHandlersThoughThePeerLeaves(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{
			Received: func(c *loop.Conn) {
				c.Go(func() {
					time.Sleep(time.Millisecond)
					c.Close(4000, "it could not be done")
				})
			},
		}, loop.Options{})
		c := s.dial(websocket.DialOptions{})
		c.Cork()
		c.Write(soon(t), websocket.Text, []byte("do it"))
		c.Close(websocket.StatusNormalClosure, "") // in the same segment
		if code := websocket.CloseStatus(c.Err()); code != 4000 {
			t.Errorf("the peer was told %v", c.Err())
		}
	})
}

func TestReceivedComesOnceAfterWhatCameTogetherAndBeforeTheEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		type heard struct {
			together []string
			closed   bool
		}
		all := make(chan heard, 100)
		var together []string // of the goroutine that calls the handler; there is one connection
		s := d.start(t, loop.Handler{
			Message: func(_ *loop.Conn, _ websocket.MessageType, payload []byte) {
				together = append(together, string(payload))
			},
			Received: func(c *loop.Conn) {
				said := together
				together = nil
				c.Go(func() { all <- heard{together: said} })
			},
			Close: func(*loop.Conn, error) { all <- heard{together: together, closed: true} },
		}, loop.Options{})
		c := s.dial(websocket.DialOptions{CorkBursts: true})
		c.Cork()
		const messages = 5
		for i := range messages {
			c.Write(soon(t), websocket.Text, fmt.Append(nil, i))
		}
		go c.Close(websocket.StatusNormalClosure, "")
		calls := 0
		for next := 0; ; {
			h := receive(t, all, "what came together, or the end")
			if h.closed {
				if next != messages || len(h.together) > 0 {
					t.Errorf("at the end %d of %d messages had been told of, and %d wait", next, messages, len(h.together))
				}
				break
			}
			if calls++; len(h.together) == 0 {
				t.Error("it was called with nothing received")
			}
			for _, m := range h.together {
				if m != fmt.Sprint(next) {
					t.Errorf("heard %q where %d was due", m, next)
				}
				next++
			}
		}
		if calls == messages {
			t.Errorf("it was called %d times for %d messages in one segment", calls, messages)
		}
	})
}
