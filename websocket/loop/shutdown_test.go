// The end of a server.

package loop_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// descriptors is how many the process has open, or 0 where that cannot be told.
func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

// leavesNothing returns a check that neither goroutines nor descriptors have become more since.
func leavesNothing(t *testing.T) (check func()) {
	goroutines, fds := runtime.NumGoroutine(), descriptors()
	return func() {
		t.Helper()
		for start := time.Now(); runtime.NumGoroutine() > goroutines || descriptors() > fds; time.Sleep(5 * time.Millisecond) {
			if time.Since(start) > patience/2 {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines are left of %d, %d descriptors of %d:\n%s", runtime.NumGoroutine(), goroutines,
					descriptors(), fds, stacks[:runtime.Stack(stacks, true)])
			}
		}
	}
}

func TestShutdownClosesEverybodyAndLeavesNothing(t *testing.T) {
	for _, d := range drivers { // one after the other, for the counts
		t.Run(d.name, func(t *testing.T) {
			certificate()
			check := leavesNothing(t)
			s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
			var clients sync.WaitGroup
			for range 50 {
				c, err := s.tryDial(websocket.DialOptions{})
				if err != nil {
					t.Fatal(err)
				}
				clients.Go(func() {
					_, _, err := c.Read(soon(t))
					if websocket.CloseStatus(err) != websocket.StatusGoingAway {
						t.Errorf("a client was told %v", err)
					}
					c.CloseNow()
				})
			}
			half := s.connect() // in the middle of its handshake
			half.send([]byte(upgrade))
			silent, err := net.Dial("tcp", s.addr) // before it, and before that of TLS
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Shutdown(soon(t)); err != nil {
				t.Error(err)
			}
			clients.Wait()
			half.tcp.Close()
			silent.Close()
			if n := s.Stats().Connections; n != 0 {
				t.Errorf("%d connections are left", n)
			}
			if err := s.Shutdown(soon(t)); err != http.ErrServerClosed {
				t.Errorf("Shutdown again: %v", err)
			}
			if _, err := s.tryDial(websocket.DialOptions{}); err == nil {
				t.Error("a new connection was taken")
			}
			http.DefaultClient.CloseIdleConnections()
			check()
		})
	}
}

func TestRequestsDuringAndAfterShutdownAreRefused(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{}, loop.Options{})
		front := d.front(t, s.ServeHTTP)
		if err := s.Shutdown(soon(t)); err != nil {
			t.Error(err)
		}
		p := front.connect()
		p.send([]byte(upgrade + "\r\n"))
		resp, err := http.ReadResponse(p.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("answered with %s", resp.Status)
		}
		if err := s.Serve(listen(t)); err != http.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// A connection whose handshake is under way when the server shuts down is refused, or closed like any other.
func TestShutdownMissesNobodyWhoArrivesMeanwhile(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for range 5 {
			s := d.start(t, loop.Handler{}, loop.Options{})
			front := d.front(t, s.ServeHTTP)
			var clients sync.WaitGroup
			begun := make(chan struct{}, 20)
			for range 20 {
				p := front.connect()
				clients.Go(func() {
					p.send([]byte(upgrade + "\r\n"))
					begun <- struct{}{}
					if resp, err := http.ReadResponse(p.r, nil); err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
						p.wantClose(1001, "")
						p.send(closing(1001, ""))
					}
					p.tcp.Close()
				})
			}
			for range 10 {
				<-begun
			}
			if err := s.Shutdown(soon(t)); err != nil {
				t.Error(err)
			}
			clients.Wait()
			if n := s.Stats().Connections; n != 0 {
				t.Errorf("%d connections are left", n)
			}
		}
	})
}

func TestPacedShutdownSpreadsTheClosing(t *testing.T) {
	const connections, window = 40, 4 * time.Second
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
		var mu sync.Mutex
		var closed []time.Duration
		var clients sync.WaitGroup
		var start time.Time
		for range connections {
			c := s.dial(websocket.DialOptions{})
			clients.Go(func() {
				_, _, err := c.Read(soon(t))
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Since(start))
				if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Code != websocket.StatusServiceRestart || e.Reason != "new version" {
					t.Errorf("a client was told %v", err)
				}
			})
		}
		mu.Lock()
		start = time.Now()
		mu.Unlock()
		if err := s.ShutdownPaced(soon(t), loop.Drain{Code: websocket.StatusServiceRestart, Reason: "new version", Window: window}); err != nil {
			t.Error(err)
		}
		clients.Wait()
		early := 0
		for _, at := range closed {
			if at < window/2 {
				early++
			}
		}
		if early == 0 || early > connections*7/8 { // a busy machine makes many late, and none early
			t.Errorf("%d of %d were closed in the first half of the window", early, connections)
		}
	})
}

func TestShutdownCutsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		closed := make(chan error, 10)
		s := d.start(t, loop.Handler{Close: func(_ *loop.Conn, err error) { closed <- err }}, loop.Options{})
		p := s.peer() // does not answer
		until(t, "it is open", func() bool { return s.Stats().Connections == 1 })
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // in which the Close frame leaves
		defer cancel()
		start := time.Now()
		wantError(t, s.Shutdown(ctx), context.DeadlineExceeded, "")
		if took := time.Since(start); took < time.Second || took > patience {
			t.Errorf("Shutdown took %v", took)
		}
		wantError(t, receive(t, closed, "Close"), websocket.ErrClosed, "")
		p.wantClose(1001, "")
	})
}

func TestShutdownDuringAFlood(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: func(c *loop.Conn, typ websocket.MessageType, p []byte) {
			c.Write(typ, p)
			c.Write(typ, p)
		}}, loop.Options{})
		var clients sync.WaitGroup
		for range 4 {
			c := s.dial(websocket.DialOptions{})
			clients.Go(func() {
				for c.Write(soon(t), websocket.Text, []byte(lorem(500))) == nil {
				}
			})
			clients.Go(func() {
				for {
					if _, _, err := c.Read(soon(t)); err != nil {
						break
					}
				}
				c.CloseNow()
			})
		}
		until(t, "it floods", func() bool { return s.Stats().MessagesIn > 300 })
		if err := s.Shutdown(soon(t)); err != nil {
			t.Error(err)
		}
		clients.Wait()
	})
}

// Shutdown closes detached connections too, and does not wait for them longer than for others.
func TestShutdownClosesDetachedConnections(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		for name, timeout := range map[string]time.Duration{"in time": patience, "cut": 300 * ms} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var s *site
				running := make(chan struct{})
				s = d.start(t, loop.Handler{Open: func(c *loop.Conn) {
					s.detached.Add(1)
					c.Detach(func(b *websocket.Conn) {
						close(running)
						blockingEcho(b)
					})
				}}, loop.Options{})
				p := s.peer()
				receive(t, running, "the function")
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				defer cancel()
				done := make(chan error)
				go func() { done <- s.Shutdown(ctx) }()
				if name == "in time" { // otherwise it may be cut before it has spoken
					p.wantClose(1001, "")
					p.send(closing(1001, ""))
				}
				if err := receive(t, done, "Shutdown"); (err != nil) != (name == "cut") {
					t.Errorf("Shutdown: %v", err)
				}
			})
		}
	})
}

func TestShutdownWaitsForFunctionsOfGo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		started, turn := make(chan struct{}), make(chan struct{})
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { c.Go(func() { close(started); <-turn }) }}, loop.Options{})
		s.peer()
		receive(t, started, "the function")
		ctx, cancel := context.WithTimeout(context.Background(), 200*ms)
		defer cancel()
		done := make(chan error)
		go func() { done <- s.Shutdown(ctx) }()
		<-ctx.Done()
		select {
		case <-done:
			t.Error("Shutdown has returned while a function runs")
		default:
		}
		close(turn)
		wantError(t, receive(t, done, "Shutdown"), context.DeadlineExceeded, "")
	})
}
