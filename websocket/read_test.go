// Whole messages, in all sizes and by every way of reading.

package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestMessagesOfAllSizesComeBack(t *testing.T) {
	all := []int{0, 1, 7, 125, 126, 127, 511, 512, 2000, 16<<10 - 1, 16 << 10, 32<<10 - 14, 32 << 10, 65535, 65536, 300_000, 1 << 20}
	for _, over := range []medium{overTCP, overTLS, overPipe, overUnix} {
		for name, mode := range modes {
			t.Run(string(over)+", "+name, func(t *testing.T) {
				sizes := all
				server, client := link{over: over}.compressed(mode).connect(t)
				if over != overTCP && mode != websocket.CompressionOff {
					sizes = sizes[:len(sizes)-2] // what is beneath knows nothing of it, and large messages take long to compress
				}
				if server.Compressed() != (mode != 0) || client.Compressed() != (mode != 0) {
					t.Errorf("compressed: server %v, client %v", server.Compressed(), client.Compressed())
				}
				ctx := soon(t)
				for _, roles := range [][2]*websocket.Conn{{client, server}, {server, client}} {
					from, to := roles[0], roles[1]
					for i, n := range sizes {
						typ, want := websocket.MessageType(1+i%2), lorem(n)
						sent := make(chan error, 1)
						go func() { sent <- from.Write(ctx, typ, []byte(want)) }()
						wantMessage(t, to, typ, want)
						if err := <-sent; err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func TestReadGivesThePayloadAway(t *testing.T) {
	server, client := link{}.connect(t)
	ctx := soon(t)
	client.Cork()
	for _, text := range []string{"first", "second", ""} {
		client.Write(ctx, websocket.Text, []byte(text))
	}
	client.Uncork(ctx)
	_, first, _ := server.Read(ctx)
	_, second, _ := server.Read(ctx)
	_, empty, err := server.Read(ctx)
	if err != nil || string(first) != "first" || string(second) != "second" {
		t.Errorf("%q, %q, %v", first, second, err)
	}
	if empty == nil || len(empty) != 0 {
		t.Errorf("an empty message is %#v", empty)
	}
}

func TestReadIntoUsesTheBufferAndGrowsIt(t *testing.T) {
	server, client := link{}.connect(t)
	ctx := soon(t)
	buf := make([]byte, 3, 100)
	for _, n := range []int{100, 10, 101, 0} {
		want := lorem(n)
		if err := client.Write(ctx, websocket.Binary, []byte(want)); err != nil {
			t.Fatal(err)
		}
		_, got, err := server.ReadInto(ctx, buf)
		if err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		if fits := n <= cap(buf); n > 0 && fits != (&got[0] == &buf[:1][0]) {
			t.Errorf("%d bytes into a buffer of %d: used it: %v", n, cap(buf), !fits)
		}
	}
}

func TestEchoAllocatesNothingInSteadyState(t *testing.T) {
	if raceEnabled {
		t.Log("under the race detector sync.Pool drops at random; the count says nothing")
		return
	}
	for _, size := range []int{32, 1 << 10, 16 << 10, 100_000} {
		server, client := link{}.connect(t)
		go echo(server)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		message, buf := []byte(lorem(size)), []byte(nil)
		n := testing.AllocsPerRun(200, func() {
			err := client.Write(ctx, websocket.Text, message)
			if err == nil {
				_, buf, err = client.ReadInto(ctx, buf)
			}
			if err != nil || len(buf) != size {
				t.Fatal(len(buf), err)
			}
		})
		if n >= 1 {
			t.Errorf("%v allocations for an echo of %d bytes", n, size)
		}
	}
}

func TestWaysOfReadingMix(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.compressed(mode).connect(t)
			ctx := soon(t)
			var want []string
			for i := range 40 {
				want = append(want, lorem(1+i*700))
			}
			go func() {
				for i, text := range want {
					if i%3 != 0 {
						client.Write(ctx, websocket.Text, []byte(text))
						continue
					}
					w, _ := client.Writer(ctx, websocket.Text)
					io.WriteString(w, text[:i])
					io.WriteString(w, text[i:])
					w.Close()
				}
			}()
			ways := []func() ([]byte, error){
				func() ([]byte, error) { _, b, err := server.Read(ctx); return b, err },
				func() ([]byte, error) { _, b, err := server.ReadInto(ctx, make([]byte, 0, 10)); return b, err },
				func() ([]byte, error) {
					_, r, err := server.Reader(ctx)
					if err != nil {
						return nil, err
					}
					return io.ReadAll(r)
				},
				func() ([]byte, error) {
					for m, err := range server.Messages(ctx) {
						return bytes.Clone(m.Data), err
					}
					return nil, io.EOF
				},
			}
			for i, text := range want {
				way := (i + i/4) % 4 // every way comes after every other
				if got, err := ways[way](); err != nil || string(got) != text {
					t.Fatalf("message %d by way %d: %d bytes of %d, %v", i, way, len(got), len(text), err)
				}
			}
		})
	}
}

func TestMessagesEndsQuietlyOnlyInGoodOrder(t *testing.T) {
	broken := errors.New("any other")
	for name, test := range map[string]struct {
		end  func(*websocket.Conn, *peer)
		want error // the last turn's; nil is none
	}{
		"peer closes with 1000":      {func(_ *websocket.Conn, p *peer) { p.send(p.closing(1000, "bye")) }, nil},
		"peer closes with 1001":      {func(_ *websocket.Conn, p *peer) { p.send(p.closing(1001, "")) }, nil},
		"peer closes without a code": {func(_ *websocket.Conn, p *peer) { p.send(p.control(wire.Close, "")) }, nil},
		"CloseNow":                   {func(c *websocket.Conn, _ *peer) { c.CloseNow() }, nil},
		"Close":                      {func(c *websocket.Conn, p *peer) { p.discard(); go c.Close(1000, ""); p.send(p.closing(1000, "")) }, nil},
		"peer closes with 1008":      {func(_ *websocket.Conn, p *peer) { p.send(p.closing(1008, "no")) }, broken},
		"peer closes with 4000":      {func(_ *websocket.Conn, p *peer) { p.send(p.closing(4000, "")) }, broken},
		"peer goes without a word":   {func(_ *websocket.Conn, p *peer) { p.nc.Close() }, io.ErrUnexpectedEOF},
		"peer breaks the protocol":   {func(_ *websocket.Conn, p *peer) { p.send([]byte{0x83, 0x80}) }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := link{}.rawClient(t)
			p.send(p.text("one"))
			var seen []string
			var last error
			for m, err := range server.Messages(context.Background()) {
				if err != nil {
					last = err
					break
				}
				seen = append(seen, string(m.Data))
				test.end(server, p)
			}
			if len(seen) != 1 || (last == nil) != (test.want == nil) {
				t.Errorf("saw %q, then %v", seen, last)
			}
			if test.want == io.ErrUnexpectedEOF && !errors.Is(last, io.ErrUnexpectedEOF) {
				t.Errorf("%v does not tell of the end of the stream", last)
			}
		})
	}
}

func TestMessagesEndsWithItsContextAndCanGoOn(t *testing.T) {
	server, client := link{}.connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client.Write(ctx, websocket.Text, []byte("one"))
	turns := 0
	for _, err := range server.Messages(ctx) {
		if turns++; turns == 1 {
			cancel()
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("second turn: %v", err)
		}
	}
	if turns != 2 {
		t.Errorf("%d turns", turns)
	}
	client.Write(t.Context(), websocket.Text, []byte("two"))
	wantMessage(t, server, websocket.Text, "two")
}

// What Messages lends must hold until the next turn, even if another goroutine closes the connection meanwhile: Close
// reads too, for the peer's answer.
func TestLentDataOutlivesCloseFromElsewhere(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS} {
		for name, mode := range modes {
			t.Run(string(over)+", "+name, func(t *testing.T) {
				server, client := link{over: over}.compressed(mode).connect(t)
				ctx := soon(t)
				want := lorem(1500)
				client.Write(ctx, websocket.Text, []byte(want))
				for m, err := range server.Messages(ctx) {
					if err != nil {
						t.Fatal(err)
					}
					closed := make(chan error)
					go func() { closed <- server.Close(1000, "") }()
					for range 20 { // what Close will read and discard
						client.Write(ctx, websocket.Text, bytes.Repeat([]byte("#"), 1500))
					}
					client.Read(ctx)
					if err := <-closed; err != nil {
						t.Error(err)
					}
					if string(m.Data) != want {
						t.Errorf("Data has become %.40q", m.Data)
					}
				}
			})
		}
	}
}

func TestCloseReadAnswersPingsDiscardsAndEndsWithTheConnection(t *testing.T) {
	server, p := link{}.rawClient(t)
	ctx := server.CloseRead(t.Context())
	p.send(p.text("into the void"), p.control(wire.Ping, "there?"))
	p.want(wire.Pong, "there?")
	if ctx.Err() != nil {
		t.Error("ended before the connection")
	}
	p.send(p.closing(4001, "enough"))
	<-ctx.Done()
	if cause := context.Cause(ctx); websocket.CloseStatus(cause) != 4001 {
		t.Errorf("cause %v", cause)
	}
}
