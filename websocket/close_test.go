// Endings: the closing handshake from both sides, and everything that can come between.

package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

var bothRoles = map[string]func(link, testing.TB) (*websocket.Conn, *peer){"server": link.rawClient, "client": link.rawServer}

func TestCloseShakesHandsFromEitherSide(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS, overPipe, overUnix} {
		for name, flip := range map[string]bool{"server closes": false, "client closes": true} {
			t.Run(string(over)+", "+name, func(t *testing.T) {
				a, b := link{over: over}.connect(t)
				if flip {
					a, b = b, a
				}
				result := readInBackground(context.Background(), b)
				if err := a.Close(4321, "that was all"); err != nil {
					t.Error(err)
				}
				closed, ok := errors.AsType[*websocket.CloseError]((<-result).err)
				if !ok || closed.Code != 4321 || closed.Reason != "that was all" {
					t.Errorf("the other side read %v", closed)
				}
				for name, c := range map[string]*websocket.Conn{"closer": a, "other": b} {
					<-c.Done()
					if code, _, ok := c.PeerStatus(); !ok || code != 4321 {
						t.Errorf("%s: peer status %v, %v", name, code, ok)
					}
					if got := websocket.CloseStatus(c.Err()); got != 4321 {
						t.Errorf("%s: %v", name, c.Err())
					}
					if err := c.Close(1000, ""); err != nil {
						t.Errorf("%s: closing again: %v", name, err)
					}
					if err := c.CloseNow(); err != nil {
						t.Errorf("%s: CloseNow after it: %v", name, err)
					}
				}
				if _, reason, _ := b.PeerStatus(); reason != "that was all" {
					t.Errorf("reason %q", reason)
				}
			})
		}
	}
}

func TestBothSidesMayCloseAtOnce(t *testing.T) {
	for range 50 {
		server, client := link{}.connect(t)
		done := make(chan error)
		go func() { done <- server.Close(4001, "") }()
		go func() { done <- client.Close(4002, "") }()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		<-server.Done()
		<-client.Done()
	}
}

func TestClosesFromManyGoroutinesAllReturn(t *testing.T) {
	server, client := link{}.connect(t)
	go client.Read(context.Background())
	done := make(chan error)
	for range 3 {
		go func() { done <- server.Close(1000, "") }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestCloseDiscardsMessagesThatComeBeforeTheAnswer(t *testing.T) {
	for name, raw := range bothRoles {
		t.Run(name, func(t *testing.T) {
			c, p := raw(link{}, t)
			closed := make(chan error)
			go func() { closed <- c.Close(1000, "") }()
			p.wantClose(1000, "")
			p.send(p.text("late"), p.control(wire.Ping, "no answer any more"), p.frame(wire.Header{Opcode: wire.Binary}, "half a"), p.closing(1000, ""))
			if err := <-closed; err != nil {
				t.Error(err)
			}
			p.wantEnd()
		})
	}
}

func TestCloseFromWithinALoopOfMessages(t *testing.T) {
	for _, who := range []string{"server", "client"} {
		t.Run(who, func(t *testing.T) {
			c, other := link{}.connect(t)
			if who == "client" {
				c, other = other, c
			}
			result := readInBackground(context.Background(), other)
			other.Cork()
			for range 3 {
				other.Write(t.Context(), websocket.Text, []byte("x"))
			}
			other.Uncork(t.Context())
			turns := 0
			for _, err := range c.Messages(context.Background()) {
				if err != nil {
					t.Error(err)
				}
				turns++
				if err := c.Close(1001, "had enough"); err != nil {
					t.Error(err)
				}
			}
			if turns != 1 {
				t.Errorf("%d turns", turns)
			}
			if err := (<-result).err; websocket.CloseStatus(err) != 1001 {
				t.Error(err)
			}
		})
	}
}

func TestCloseWhileAnotherGoroutineReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := link{over: overPipe}.connect(t)
		theirs := readInBackground(context.Background(), server)
		ours := readInBackground(context.Background(), client)
		synctest.Wait()
		start := time.Now()
		if err := server.Close(1000, ""); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("took %v", waited)
		}
		for _, result := range []<-chan readResult{ours, theirs} {
			if got := <-result; websocket.CloseStatus(got.err) != 1000 {
				t.Errorf("%q, %v", got.data, got.err)
			}
		}
	})
}

// Close needs the turn to read when the reader stops reading, and gets it.
func TestCloseGoesOnWhereAReaderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		ctx, cancel := context.WithCancel(context.Background())
		result := readInBackground(ctx, c)
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- c.Close(1000, "") }()
		p.wantClose(1000, "")
		cancel()
		if err := (<-result).err; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		p.send(p.closing(1000, ""))
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseIsBoundedWhenThePeer(t *testing.T) {
	type test struct {
		before func(c *websocket.Conn, p *peer)
		words  string
	}
	for name, test := range map[string]test{
		"never answers":          {func(_ *websocket.Conn, p *peer) { p.discard() }, "did not answer"},
		"never reads":            {func(*websocket.Conn, *peer) {}, ""},
		"never answers a reader": {func(c *websocket.Conn, p *peer) { p.discard(); go c.Read(context.Background()) }, "did not answer"},
		"leaves a write stuck": {func(c *websocket.Conn, _ *peer) {
			go c.Write(context.Background(), websocket.Text, make([]byte, 1<<20))
		}, ""},
		"only ever sends messages": {func(_ *websocket.Conn, p *peer) {
			p.discard()
			go func() {
				for {
					if _, err := p.nc.Write(p.text("more")); err != nil {
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
		}, "did not answer"},
	} {
		for _, limit := range []time.Duration{0, time.Minute} {
			for who, raw := range bothRoles {
				t.Run(fmt.Sprint(name, ", ", who, ", ", limit), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := link{over: overPipe}
						l.accept.Limits = websocket.Limits{CloseTimeout: limit, WriteTimeout: -1, FrameTimeout: -1}
						l.accept.KeepAlive.Interval = -1
						l.dial.Limits = l.accept.Limits
						c, p := raw(l, t)
						test.before(c, p)
						synctest.Wait()
						start := time.Now()
						err := c.Close(1000, "")
						want := limit
						if limit == 0 {
							want = 5 * time.Second
						}
						if took := time.Since(start); took != want {
							t.Errorf("took %v, want %v", took, want)
						}
						wantError(t, err, nil, test.words)
						if c.Err() == nil {
							t.Error("the connection has not ended")
						}
						time.Sleep(time.Second) // for the peer to notice
					})
				})
			}
		}
	}
}

func TestCloseRefusesBadCodesWithoutHarm(t *testing.T) {
	server, client := link{}.connect(t)
	for _, code := range []websocket.StatusCode{-1, 0, 1, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65536 + 1000} {
		wantError(t, server.Close(code, ""), nil, "may not be sent")
	}
	wantError(t, server.Close(websocket.StatusNoStatus, "reason"), nil, "needs a code")
	go server.Write(t.Context(), websocket.Text, []byte("still here"))
	wantMessage(t, client, websocket.Text, "still here")
}

func TestReasonsAreCutAt123Bytes(t *testing.T) {
	for reason, want := range map[string]string{
		strings.Repeat("x", 123):    strings.Repeat("x", 123),
		strings.Repeat("x", 124):    strings.Repeat("x", 123),
		strings.Repeat("é", 100):    strings.Repeat("é", 61),
		"bad \xff byte":             "bad \uFFFD byte",
		strings.Repeat("x", 10<<20): strings.Repeat("x", 123),
	} {
		server, client := link{}.connect(t)
		go server.Close(1000, reason)
		client.Read(context.Background())
		if _, got, _ := client.PeerStatus(); got != want {
			t.Errorf("%.130q arrives as %q", reason, got)
		}
	}
}

func TestPeersCloseInEveryForm(t *testing.T) {
	for name, test := range map[string]struct {
		payload string
		code    websocket.StatusCode // that Read tells of; 0 for a violation
		reason  string
		answer  websocket.StatusCode
	}{
		"no payload":         {"", 1005, "", 1005},
		"one byte":           {"\x03", 0, "", 1002},
		"1000":               {"\x03\xe8", 1000, "", 1000},
		"1000 and a reason":  {"\x03\xe8goodbye", 1000, "goodbye", 1000},
		"longest reason":     {"\x03\xe8" + strings.Repeat("r", 123), 1000, strings.Repeat("r", 123), 1000},
		"3000":               {"\x0b\xb8", 3000, "", 3000},
		"4999":               {"\x13\x87é", 4999, "é", 4999},
		"1012":               {"\x03\xf4", 1012, "", 1012},
		"0":                  {"\x00\x00", 0, "", 1002},
		"999":                {"\x03\xe7", 0, "", 1002},
		"1004, reserved":     {"\x03\xec", 0, "", 1002},
		"1005 on the wire":   {"\x03\xed", 0, "", 1002},
		"1006 on the wire":   {"\x03\xee", 0, "", 1002},
		"1015 on the wire":   {"\x03\xf7", 0, "", 1002},
		"5000":               {"\x13\x88", 0, "", 1002},
		"65535":              {"\xff\xff", 0, "", 1002},
		"reason not UTF-8":   {"\x03\xe8\xff", 0, "", 1007},
		"reason cut in half": {"\x03\xe8\xc3", 0, "", 1007},
	} {
		for who, raw := range bothRoles {
			t.Run(name+", "+who, func(t *testing.T) {
				c, p := raw(link{}, t)
				if _, _, ok := c.PeerStatus(); ok {
					t.Error("a peer status before its Close frame")
				}
				p.send(p.control(wire.Close, test.payload))
				_, _, err := c.Read(context.Background())
				p.wantClose(test.answer, "")
				p.wantEnd()
				code, reason, ok := c.PeerStatus()
				if test.code == 0 {
					wantViolation(t, err, test.answer, "")
					if ok || websocket.CloseStatus(err) != -1 {
						t.Errorf("peer status %v, %v", code, ok)
					}
					return
				}
				if !ok || code != test.code || reason != test.reason || websocket.CloseStatus(err) != test.code {
					t.Errorf("peer status %v %q, error %v", code, reason, err)
				}
			})
		}
	}
}

func TestCloseFrameInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		result := readInBackground(context.Background(), c)
		frame := p.closing(1001, "piece by piece")
		for i := range frame {
			p.send(frame[i : i+1])
		}
		p.wantClose(1001, "")
		if err := (<-result).err; websocket.CloseStatus(err) != 1001 {
			t.Error(err)
		}
	})
}

func TestEverythingBehindACloseFrameIsIgnored(t *testing.T) {
	c, p := link{}.rawClient(t)
	p.send(append(append(p.text("before"), p.closing(1000, "")...), p.text("behind")...))
	wantMessage(t, c, websocket.Text, "before")
	for range 3 {
		if _, got, err := c.Read(context.Background()); websocket.CloseStatus(err) != 1000 {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestMessagesBeforeAnAbruptEndAreStillRead(t *testing.T) {
	c, p := link{}.rawClient(t)
	p.send(append(p.text("one"), p.text("two")...))
	p.nc.Close()
	wantMessage(t, c, websocket.Text, "one")
	wantMessage(t, c, websocket.Text, "two")
	for range 2 {
		_, _, err := c.Read(context.Background())
		wantError(t, err, io.ErrUnexpectedEOF, "without a Close frame")
	}
	if _, _, ok := c.PeerStatus(); ok {
		t.Error("a peer status without a Close frame")
	}
}

func TestCloseNowWakesReadersAndWriters(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS, overUnix, overPipe} {
		t.Run(string(over), func(t *testing.T) {
			c, _ := link{over: over}.rawClient(t) // who does not read
			large, started := make([]byte, 16<<20), make(chan bool)
			ended := make(chan error)
			for _, wait := range []func() error{
				func() error { _, _, err := c.Read(context.Background()); return err },
				func() error { _, _, err := c.Reader(context.Background()); return err },
				func() error { return c.Write(context.Background(), websocket.Binary, large) },
				func() error { return c.Write(context.Background(), websocket.Text, large) },
				func() error { _, err := c.Ping(context.Background()); return err },
			} {
				go func() { started <- true; ended <- wait() }()
				<-started
			}
			start := time.Now()
			c.CloseNow()
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			for range 5 {
				wantError(t, <-ended, net.ErrClosed, "")
			}
			<-c.Done()
			wantError(t, c.Err(), websocket.ErrClosed, "closed by this side")
		})
	}
}

func TestCloseNowWakesThoseWhoAreSurelyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := link{over: overPipe}.rawClient(t) // who does not read
		ended := make(chan error, 4)
		go func() { _, _, err := c.Read(context.Background()); ended <- err }()
		go func() { ended <- c.Write(context.Background(), websocket.Binary, make([]byte, 100)) }()
		go func() { ended <- c.Write(context.Background(), websocket.Text, make([]byte, 100_000)) }()
		go func() { _, err := c.Ping(context.Background()); ended <- err }()
		synctest.Wait()
		c.CloseNow()
		for range 4 {
			wantError(t, <-ended, net.ErrClosed, "")
		}
	})
}

func TestDoneAndErrTellOfTheEnd(t *testing.T) {
	c, p := link{}.rawClient(t)
	done := c.Done()
	select {
	case <-done:
		t.Error("done at once")
	default:
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
	p.nc.Close()
	c.Read(t.Context())
	<-done
	<-c.Done()
	wantError(t, c.Err(), io.ErrUnexpectedEOF, "")
	c.CloseNow()
	wantError(t, c.Err(), io.ErrUnexpectedEOF, "")
}

// A peer that is in the middle of sending must still get to read why it was refused: with bytes unread the kernel would
// answer its next one with a reset, and its side would forget what it has received. See RFC 6455 §7.1.1.
func TestThePeerLearnsOfItsViolationWhileItIsStillSending(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS} {
		for who, raw := range bothRoles {
			for how, read := range map[string]func(*websocket.Conn){
				"": func(c *websocket.Conn) { c.Read(context.Background()) },
				", its context ending": func(c *websocket.Conn) {
					ctx, cancel := context.WithCancel(context.Background())
					c.Read(ctx)
					cancel()
				},
				", CloseNow behind it": func(c *websocket.Conn) { c.Read(context.Background()); c.CloseNow() },
				", within a message of ours": func(c *websocket.Conn) {
					w, _ := c.Writer(context.Background(), websocket.Binary)
					w.Write(make([]byte, 40_000))
					c.Read(context.Background())
					w.Close()
				},
			} {
				t.Run(string(over)+", "+who+how, func(t *testing.T) {
					if who == "client" && over == overTLS {
						return // the raw server speaks no TLS
					}
					for range 3 {
						c, p := raw(link{over: over}, t)
						sent := make(chan error)
						go func() {
							p.send([]byte{0x83, 0x80}) // a reserved opcode
							_, err := p.nc.Write(make([]byte, 12<<20))
							sent <- err
						}()
						began := time.Now()
						read(c)
						p.wantClose(1002, "opcode")
						p.wantEnd()
						if err := <-sent; err != nil && time.Since(began) < time.Second { // for which the line lingers
							t.Fatalf("the line went while the peer was sending: %v", err)
						}
					}
				})
			}
		}
	}
}

func TestThePeerLearnsWhyItWasClosedWhileItIsStillSending(t *testing.T) {
	for range 3 {
		c, p := link{}.rawClient(t)
		sent := make(chan error)
		go func() {
			p.send(p.closing(1000, "leaving"))
			_, err := p.nc.Write(make([]byte, 12<<20))
			sent <- err
		}()
		ctx, cancel := context.WithCancel(context.Background())
		began := time.Now()
		c.Read(ctx)
		cancel()
		p.wantClose(1000, "")
		p.wantEnd()
		if err := <-sent; err != nil && time.Since(began) < time.Second {
			t.Fatalf("the line went while the peer was sending: %v", err)
		}
	}
}

// A peer that never closes its side is not waited for longer than a second, whatever contexts end meanwhile.
func TestLingeringEndsWithAPeerThatNeverCloses(t *testing.T) {
	for name, end := range map[string]func(c *websocket.Conn, p *peer, ctx context.Context, cancel func()){
		"after its Close frame": func(c *websocket.Conn, p *peer, ctx context.Context, _ func()) {
			p.send(p.closing(1000, ""))
			c.Read(ctx)
		},
		"and the reader's context ends": func(c *websocket.Conn, p *peer, ctx context.Context, cancel func()) {
			p.send(p.closing(1000, ""))
			c.Read(ctx)
			cancel()
		},
		"and the reader's context ends while it waits": func(c *websocket.Conn, p *peer, ctx context.Context, cancel func()) {
			p.send(p.text("never finished")[:10])
			result := readInBackground(ctx, c)
			<-c.Done() // after FrameTimeout
			cancel()
			<-result
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link{}
			l.accept.Limits.FrameTimeout = 20 * time.Millisecond
			c, p := l.rawClient(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			end(c, p, ctx, cancel)
			p.wantEnd() // of the half that the server closes at once
			for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				if _, err := p.nc.Write([]byte("x")); err != nil { // the other half has gone too: it was answered by a reset
					return
				}
				if time.Since(start) > 5*time.Second {
					t.Fatal("the line is still open")
				}
			}
		})
	}
}

// countedContext counts those who wait for its end.
type countedContext struct {
	context.Context
	waiting atomic.Int64
	done    chan struct{}
}

func (c *countedContext) Done() <-chan struct{} { return c.done }

func (c *countedContext) AfterFunc(func()) (stop func() bool) {
	c.waiting.Add(1)
	return func() bool { c.waiting.Add(-1); return true }
}

// A program that reads and writes with one context for its whole life must not collect its past connections in it.
func TestAContextDoesNotHoldConnectionsThatHaveEnded(t *testing.T) {
	for name, end := range map[string]func(c *websocket.Conn, p *peer){
		"by CloseNow":         func(c *websocket.Conn, _ *peer) { c.CloseNow() },
		"by Close":            func(c *websocket.Conn, p *peer) { go p.send(p.closing(1000, "")); c.Close(1000, "") },
		"by the peer's close": func(c *websocket.Conn, p *peer) { p.send(p.closing(1000, "")); <-c.Done() },
		"by the peer's going": func(c *websocket.Conn, p *peer) { p.nc.Close(); <-c.Done() },
	} {
		for when, reads := range map[string]bool{"": false, ", while somebody reads": true} {
			t.Run(name+when, func(t *testing.T) {
				c, p := link{}.rawClient(t)
				ctx := &countedContext{Context: t.Context(), done: make(chan struct{})}
				if err := c.Write(ctx, websocket.Text, nil); err != nil {
					t.Fatal(err)
				}
				p.send(p.text(""))
				c.Read(ctx)
				var result <-chan readResult
				if reads {
					result = readInBackground(ctx, c)
				} else if strings.Contains(name, "peer") {
					c.CloseRead(context.Background())
				}
				end(c, p)
				if reads {
					<-result
				}
				for start := time.Now(); ctx.waiting.Load() > 0; time.Sleep(time.Millisecond) {
					if time.Since(start) > 5*time.Second {
						t.Fatalf("%d still wait for the context's end", ctx.waiting.Load())
					}
				}
			})
		}
	}
}
