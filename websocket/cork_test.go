// Corks: many frames, one write.

package websocket_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

// counted is a connection that counts the writes.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// counting makes a link count the writes of its dialling side.
func (l link) counting() (link, *atomic.Int64) {
	writes := new(atomic.Int64)
	l.wrap = func(nc net.Conn) net.Conn { return counted{nc, writes} }
	return l, writes
}

func TestCorkedFramesLeaveInOneWriteAndInOrder(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			l, writes := link{}.compressed(mode).counting()
			server, client := l.connect(t)
			ctx := soon(t)
			before := writes.Load()
			client.Cork()
			for i := range 50 {
				if err := writeNumbered(ctx, client, 3, 8*i%256); err != nil { // none of them large
					t.Fatal(err)
				}
			}
			if n := writes.Load() - before; n != 0 {
				t.Errorf("%d writes under the cork", n)
			}
			if err := client.Uncork(ctx); err != nil {
				t.Fatal(err)
			}
			if n := writes.Load() - before; n != 1 {
				t.Errorf("%d writes for all", n)
			}
			for i := range 50 {
				wantMessage(t, server, websocket.Binary, numbered(3, 8*i%256))
			}
		})
	}
}

func TestServersCorkedFramesArriveInOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := link{over: overPipe}.rawClient(t)
		server.Cork()
		var want []byte
		for _, text := range []string{"one", "two", "three"} {
			if err := server.Write(t.Context(), websocket.Text, []byte(text)); err != nil {
				t.Fatal(err)
			}
			want = wire.AppendFrame(want, wire.Header{Fin: true, Opcode: wire.Text}, []byte(text))
		}
		go server.Uncork(t.Context())
		got := make([]byte, 1000)
		n, _ := p.nc.Read(got)
		if !bytes.Equal(got[:n], want) {
			t.Errorf("one read gives %q", got[:n])
		}
	})
}

func TestACorkHolds16KiBAtTheMost(t *testing.T) {
	for name, write := range map[string]func(*websocket.Conn, context.Context, []byte) error{
		"Write": func(c *websocket.Conn, ctx context.Context, b []byte) error { return c.Write(ctx, websocket.Binary, b) },
		"WritePrepared": func(c *websocket.Conn, ctx context.Context, b []byte) error {
			return c.WritePrepared(ctx, websocket.Prepare(websocket.Binary, b))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := link{}.rawClient(t)
			ctx := soon(t)
			server.Cork()
			for i, size := range []int{5000, 5000, 5000, 5000, 100, 16 << 10, 40_000, 100} {
				if err := write(server, ctx, bytes.Repeat([]byte{byte('0' + i)}, size)); err != nil {
					t.Fatal(err)
				}
				if size >= 16<<10 || i == 3 { // over the limit: this one and all before it have left
					for j, size := range []int{5000, 5000, 5000, 5000, 100, 16 << 10, 40_000}[:i+1] {
						if j > 3 && i == 3 || j <= 3 && i > 3 || j < 6 && i == 6 {
							continue
						}
						p.want(wire.Binary, strings.Repeat(string(rune('0'+j)), size))
					}
				}
			}
			if err := server.Uncork(ctx); err != nil {
				t.Fatal(err)
			}
			p.want(wire.Binary, strings.Repeat("7", 100))
		})
	}
}

func TestPingsPassACork(t *testing.T) {
	server, p := link{}.rawClient(t)
	go server.Read(t.Context())
	server.Cork()
	server.Write(t.Context(), websocket.Text, []byte("before the ping"))
	go server.Ping(soon(t))
	p.want(wire.Text, "before the ping")
	if h, _, err := p.next(); h.Opcode != wire.Ping || err != nil {
		t.Errorf("got %v, %v, want a ping", h.Opcode, err)
	}
}

// A program may keep its cork in for long; a peer that pings must not conclude that it is dead, nor fill its memory.
func TestPingsAreAnsweredUnderACork(t *testing.T) {
	server, p := link{}.rawClient(t)
	go server.Read(t.Context())
	server.Cork()
	server.Write(t.Context(), websocket.Text, []byte("held back"))
	p.send(p.control(wire.Ping, "alive?"))
	p.want(wire.Text, "held back")
	p.want(wire.Pong, "alive?")
}

func TestCloseTakesHeldFramesAlong(t *testing.T) {
	l, writes := link{}.counting()
	client, p := l.rawServer(t)
	before := writes.Load()
	client.Cork()
	client.Write(t.Context(), websocket.Text, []byte("last words"))
	closed := make(chan error, 1)
	go func() { closed <- client.Close(1000, "bye") }()
	p.want(wire.Text, "last words")
	p.wantClose(1000, "bye")
	p.send(p.closing(1000, ""))
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := writes.Load() - before; n != 1 {
		t.Errorf("%d writes", n)
	}
}

func TestHeldFramesComeBeforeTheAnswerToThePeersClose(t *testing.T) {
	server, p := link{}.rawClient(t)
	server.Cork()
	server.Write(t.Context(), websocket.Text, []byte("last words"))
	p.send(p.closing(1001, ""))
	server.Read(t.Context())
	p.want(wire.Text, "last words")
	p.wantClose(1001, "")
	p.wantEnd()
}

func TestUncorkWhoseContextHasEndedDropsTheConnection(t *testing.T) {
	server, _ := link{}.connect(t)
	server.Cork()
	server.Write(t.Context(), websocket.Text, []byte("never to arrive"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, server.Uncork(ctx), context.Canceled, "")
	if server.Err() == nil {
		t.Error("the connection goes on without the messages that it held")
	}
}

func TestUncorkWithoutACorkDoesNothing(t *testing.T) {
	server, client := link{}.connect(t)
	if err := server.Uncork(t.Context()); err != nil {
		t.Error(err)
	}
	go server.Write(t.Context(), websocket.Text, []byte("ok"))
	wantMessage(t, client, websocket.Text, "ok")
}

// bursting is a link whose dialling side corks its answers to bursts and counts its writes.
func bursting() (link, *atomic.Int64) {
	l := link{over: overPipe}
	l.dial.CorkBursts = true
	return l.counting()
}

func TestAnswersToABurstLeaveInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, writes := bursting()
		client, p := l.rawServer(t)
		go echo(client)
		for n := range 5 { // bursts of 1 to 5 messages
			before := writes.Load()
			var burst []byte
			for i := range n + 1 {
				burst = append(burst, p.text(strings.Repeat("x", i))...)
			}
			p.send(burst)
			for i := range n + 1 {
				p.want(wire.Text, strings.Repeat("x", i))
			}
			synctest.Wait()
			if got := writes.Load() - before; got != 1 {
				t.Errorf("%d writes to answer a burst of %d", got, n+1)
			}
		}
	})
}

func TestNothingIsLeftLyingWhenABurstEndsInTheMiddleOfAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, writes := bursting()
		client, p := l.rawServer(t)
		go echo(client)
		before := writes.Load()
		third := p.text("three")
		for cut := range third {
			p.send(append(append(p.text("one"), p.text("two")...), third[:cut]...))
			p.want(wire.Text, "one")
			p.want(wire.Text, "two")
			p.send(third[cut:])
			p.want(wire.Text, "three")
		}
		synctest.Wait()
		if got := writes.Load() - before; got != int64(2*len(third)) {
			t.Errorf("%d writes to answer %d bursts", got, 2*len(third))
		}
	})
}

func TestBurstCorkHoldsForControlFramesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := bursting()
		client, p := l.rawServer(t)
		go echo(client)
		p.send(append(append(p.text("one"), p.control(wire.Ping, "two")...), p.closing(1000, "three")...))
		p.want(wire.Text, "one")
		p.want(wire.Pong, "two")
		p.wantClose(1000, "")
	})
}

// Writers on other goroutines meet the cork of a burst at every moment of its coming and going.
func TestOtherWritersAreNeverLeftBehindByABurst(t *testing.T) {
	l := link{}
	l.accept.CorkBursts = true
	server, client := l.connect(t)
	ctx := soon(t)
	const each = 2000
	var wg sync.WaitGroup
	wg.Go(func() { echo(server) })
	wg.Go(func() {
		for range each {
			if err := server.Write(ctx, websocket.Text, []byte("push")); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := range each {
			if i%10 == 0 {
				client.Cork()
			}
			client.Write(ctx, websocket.Text, []byte("call"))
			if i%10 == 9 {
				client.Uncork(ctx)
			}
		}
	})
	for range 2 * each {
		if _, _, err := client.Read(ctx); err != nil {
			t.Fatalf("a message was left lying: %v", err)
		}
	}
	client.Close(1000, "")
	wg.Wait()
}
