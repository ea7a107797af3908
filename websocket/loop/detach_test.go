// Leaving the loop for the blocking API.

package loop_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// blockingEcho is what a detached connection does in these tests.
func blockingEcho(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil || c.Write(context.Background(), m.Type, append([]byte("blocking "), m.Data...)) != nil {
			return
		}
	}
}

// Nothing is lost or mixed up: neither what waits to be written, nor what has come already, nor the windows of compression.
func TestDetachLosesNothing(t *testing.T) {
	for name, early := range map[string]int{"a few messages behind": 3, "more than a read behind": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
				opts := compressing(mode)
				opts.Accept.Subprotocols = []string{"echo"}
				opts.Outbox.Bytes = 4 << 20
				var s *site
				s = d.start(t, loop.Handler{Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
					c.Write(typ, payload)
					if string(payload) != "detach" {
						return
					}
					s.detached.Add(1)
					c.Write(typ, []byte(lorem(200_000)))
					if err := c.Detach(blockingEcho); err != nil {
						t.Error(err)
					}
				}}, opts)
				c := s.dial(websocket.DialOptions{Compression: opts.Accept.Compression, Subprotocols: []string{"echo"}})
				message := func(i int) string { return fmt.Sprintf("%d %s", i, lorem(3000)) }
				go func() {
					c.Write(soon(t), websocket.Text, []byte(message(0)))
					c.Cork()
					c.Write(soon(t), websocket.Text, []byte("detach"))
					for i := range early {
						c.Write(soon(t), websocket.Text, []byte(message(i)))
					}
					c.Uncork(soon(t))
				}()
				wantMessage(t, c, message(0))
				wantMessage(t, c, "detach")
				wantMessage(t, c, lorem(200_000))
				for i := range early {
					wantMessage(t, c, "blocking "+message(i))
				}
				c.Write(soon(t), websocket.Text, []byte(message(99)))
				wantMessage(t, c, "blocking "+message(99))
				if n := s.Stats().Connections; n != 1 {
					t.Errorf("%d connections", n)
				}
				if err := c.Close(1000, ""); err != nil {
					t.Error(err)
				}
				until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
			})
		})
	}
}

func TestDetachInOpen(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var s *site
		s = d.start(t, loop.Handler{Open: func(c *loop.Conn) {
			s.detached.Add(1)
			if err := c.Detach(func(b *websocket.Conn) {
				if b.Subprotocol() != "echo" || b.RemoteAddr() == nil {
					t.Errorf("subprotocol %q, peer %v", b.Subprotocol(), b.RemoteAddr())
				}
				blockingEcho(b)
			}); err != nil {
				t.Error(err)
			}
			if err := c.Detach(blockingEcho); err == nil {
				t.Error("Detach twice is taken")
			}
		}}, loop.Options{Accept: websocket.AcceptOptions{Subprotocols: []string{"echo"}}})
		p := s.connect()
		p.send([]byte(upgrade+"Sec-WebSocket-Protocol: echo\r\n\r\n"), text("1"), text("2")[:3])
		p.accepted()
		p.want(wire.Text, "blocking 1")
		p.tcp.Close()
	})
}

func TestADetachedConnectionIsClosedWhenItsFunctionReturns(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var s *site
		conns := make(chan *loop.Conn, 1)
		s = d.start(t, loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
			s.detached.Add(1)
			c.Detach(func(*websocket.Conn) { conns <- c })
		}}, loop.Options{})
		p := s.peer()
		p.send(text("detach"))
		c := receive(t, conns, "the function")
		wantError(t, c.Write(websocket.Text, nil), websocket.ErrClosing, "")
		c.CloseNow()
		c.Close(4000, "") // it is not the loop's any more
		p.wantClose(1000, "")
	})
}

// Those who publish do not know that the connection leaves the loop: a message is written or refused, and not lost.
func TestWritesDuringDetachAreSentOrRefused(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for range 30 {
			var s *site
			opened := make(chan *loop.Conn, 1)
			var sent atomic.Int64
			written := make(chan struct{})
			s = d.start(t, loop.Handler{
				Open: func(c *loop.Conn) { opened <- c },
				Message: func(c *loop.Conn, typ websocket.MessageType, _ []byte) {
					s.detached.Add(1)
					c.Detach(func(b *websocket.Conn) {
						<-written
						b.Write(context.Background(), typ, fmt.Appendf(nil, "that was %d", sent.Load()))
					})
				},
			}, loop.Options{})
			p := s.peer()
			c := receive(t, opened, "Open")
			go func() {
				defer close(written)
				for c.Write(websocket.Text, []byte("published")) == nil {
					sent.Add(1)
					for c.Waiting() > 10_000 { // at the peer's pace
						runtime.Gosched()
					}
				}
			}()
			p.send(text("detach"))
			got := int64(0)
			for {
				_, m, err := p.next()
				if err != nil {
					t.Fatal(err)
				}
				if m != "published" {
					if m != fmt.Sprintf("that was %d", sent.Load()) || got != sent.Load() {
						t.Fatalf("%q, and %d of %d came", m, got, sent.Load())
					}
					break
				}
				got++
			}
			p.tcp.Close()
		}
	})
}

// A connection that ends before its outbox is empty is not detached: its Close is called.
func TestAConnectionThatEndsBeforeItIsDetachedIsTold(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		for name, ends := range map[string]func(c *loop.Conn, p *peer){
			"by a write timeout": func(*loop.Conn, *peer) {},
			"by the peer":        func(_ *loop.Conn, p *peer) { p.hangUp() },
			"by CloseNow":        func(c *loop.Conn, _ *peer) { c.CloseNow() },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				closed, conns := make(chan error, 1), make(chan *loop.Conn, 1)
				opts := loop.Options{Outbox: loop.Outbox{Bytes: 64 << 20}}
				opts.Accept.Limits.WriteTimeout = 500 * ms
				s := d.start(t, loop.Handler{
					Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
						flood(nil, c)
						c.Detach(func(*websocket.Conn) { t.Error("detached") })
						conns <- c
					},
					Close: func(_ *loop.Conn, err error) { closed <- err },
				}, opts)
				p := s.peer()
				p.send(text("1"), text("2"))
				ends(receive(t, conns, "Detach"), p)
				receive(t, closed, "Close")
				until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
			})
		}
	})
}

func TestDetachIsRefusedWhereItCannotBe(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		errs := make(chan error, 2)
		s := d.start(t, loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
			if string(payload) == "go" {
				c.Go(func() {})
				errs <- c.Detach(blockingEcho)
				return
			}
			c.Close(1000, "")
			errs <- c.Detach(blockingEcho)
		}}, loop.Options{})
		p := s.peer()
		p.send(text("go"), text("close"))
		wantError(t, receive(t, errs, "Detach"), nil, "after Go")
		if err := receive(t, errs, "Detach"); !errors.Is(err, websocket.ErrClosing) {
			t.Errorf("Detach while closing: %v", err)
		}
		p.wantClose(1000, "")
		p.tcp.Close()
	})
}
