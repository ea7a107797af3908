// The notice that a slow peer has read up. That it comes one at a time with the other calls, and never after Close, is
// checked by the guard of every server.

package loop_test

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// noticing starts a server whose connections tell of themselves and of their notices.
func noticing(t *testing.T, d driver, opts loop.Options) (s *site, opened chan *loop.Conn, notices chan int) {
	opened, notices = make(chan *loop.Conn, 10), make(chan int, 100)
	s = d.start(t, loop.Handler{
		Open:    func(c *loop.Conn) { opened <- c },
		Message: echo,
		Drained: func(c *loop.Conn) { notices <- c.Waiting() },
	}, opts)
	return s, opened, notices
}

// none checks that there is no notice that was not asked for, now that the connection has echoed.
func none(t *testing.T, p *peer, notices chan int) {
	t.Helper()
	p.send(text("anything else?"))
	p.want(wire.Text, "anything else?")
	if len(notices) > 0 {
		t.Errorf("a notice too many, at %d bytes", <-notices)
	}
}

func TestANoticeComesWhenTheSlowPeerHasReadUp(t *testing.T) {
	t.Parallel()
	for _, below := range []int{0, 150_000, -1} {
		t.Run(fmt.Sprint(below), func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				s, opened, notices := noticing(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 4 << 20}})
				p := s.peer()
				c := receive(t, opened, "Open")
				written := stuff(t, s, c)
				for range 10 {
					c.Write(websocket.Binary, numbered(written, 100_000))
					written++
				}
				c.NotifyDrained(1000)
				c.NotifyDrained(below) // replaces it
				for range 5 {
					ticks := c.Ticks()
					until(t, "the clock ticks", func() bool { return c.Ticks() > ticks })
				}
				if len(notices) > 0 {
					t.Fatalf("a notice while nobody has read, at %d bytes", <-notices)
				}
				drain(t, p, written-1)
				if waits := receive(t, notices, "the notice"); waits > max(below, 0) {
					t.Errorf("%d bytes wait at the notice for %d", waits, below)
				}
				none(t, p, notices)
			})
		})
	}
}

func TestANoticeForLittleThatWaitsComesSoon(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var rounds atomic.Int32
		done := make(chan struct{})
		s := d.start(t, loop.Handler{
			Open:    func(c *loop.Conn) { c.NotifyDrained(0) },
			Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) { c.NotifyDrained(1 << 20); c.NotifyDrained(0) },
			Drained: func(c *loop.Conn) {
				if n := rounds.Add(1); n < 10 {
					c.NotifyDrained(int(n)) // from within a notice
				} else {
					done <- struct{}{}
				}
			},
		}, loop.Options{})
		p := s.peer()
		receive(t, done, "ten notices")
		for range 10 {
			p.send(text("again"))
			receive(t, done, "a notice asked for within Message")
		}
		if n := rounds.Load(); n != 20 {
			t.Errorf("%d notices, want 20", n)
		}
	})
}

// A connection that has not begun may be asked already, and one that is gone may, too.
func TestANoticeIsBetweenOpenAndClose(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s, opened, notices := noticing(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 4 << 20}})
		for range 20 {
			p := s.peer()
			c := receive(t, opened, "Open")
			p.hangUp()
			for c.Err() == nil {
				c.NotifyDrained(0) // the guard watches
			}
			c.NotifyDrained(0)
		}
		p := s.peer()
		c := receive(t, opened, "Open")
		stuff(t, s, c)
		for len(notices) > 0 {
			<-notices
		}
		c.NotifyDrained(0)
		c.CloseNow()
		until(t, "it is gone", func() bool { return s.Stats().Connections == 0 })
		if len(notices) > 0 {
			t.Error("a notice for a connection that was closed with its outbox full")
		}
		io.Copy(io.Discard, p.nc)
	})
}

func TestANoticeWaitsForAFunctionOfGo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var running atomic.Bool
		done := make(chan struct{}, 2)
		work := func(c *loop.Conn) {
			running.Store(true)
			c.Go(func() {
				c.NotifyDrained(0)
				ticks := c.Ticks()
				for c.Ticks() < ticks+2 {
					c.Write(websocket.Text, []byte("x")) // wakes the driver time and again
					time.Sleep(ms)
				}
				running.Store(false)
			})
		}
		again := true
		s := d.start(t, loop.Handler{
			Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) { work(c) },
			Drained: func(c *loop.Conn) {
				if running.Load() {
					t.Error("a notice while a function of Go runs")
				}
				if again {
					again = false
					work(c)
				}
				done <- struct{}{}
			},
		}, loop.Options{})
		p := s.peer()
		go io.Copy(io.Discard, p.r)
		p.send(text("begin"))
		receive(t, done, "the first notice")
		receive(t, done, "the second notice")
	})
}

func TestAStreamHasNotices(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		notices := make(chan int, 10)
		_, front, conns, _ := streaming(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 32 << 20}}, loop.Handler{
			Drained: func(c *loop.Conn) { notices <- c.Waiting() },
		})
		p := listenTo(t, front)
		c := receive(t, conns, "Open")
		const event = 1 << 20
		for range 16 { // more than the sockets hold
			c.Send([]byte(lorem(event)))
		}
		c.NotifyDrained(event)
		if _, err := io.CopyN(io.Discard, p.r, 12<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, p.r, 4<<20); err != nil {
			t.Fatal(err)
		}
		if waits := receive(t, notices, "the notice"); waits > event {
			t.Errorf("%d bytes wait at the notice", waits)
		}
	})
}

// Whoever writes, and whatever is dropped: who asks is told.
func TestNoticesUnderFire(t *testing.T) {
	t.Parallel()
	for _, policy := range []loop.Policy{loop.DropOldest, loop.Conflate} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				s, opened, notices := noticing(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 100_000, Policy: policy}})
				p := s.peer()
				c := receive(t, opened, "Open")
				go io.Copy(io.Discard, p.r)
				stop := make(chan struct{})
				var writers sync.WaitGroup
				for i := range 2 {
					writers.Go(func() {
						for n := 0; ; n++ {
							select {
							case <-stop:
								return
							default:
								c.WriteKey(websocket.Binary, numbered(n, 1000*(n%5)), fmt.Sprint(i))
							}
						}
					})
				}
				for range 20 {
					c.NotifyDrained(50_000)
					receive(t, notices, "a notice")
				}
				close(stop)
				writers.Wait()
				for range 2 { // the second finds all written
					c.NotifyDrained(0)
					receive(t, notices, "a notice when nobody writes")
				}
			})
		})
	}
}
