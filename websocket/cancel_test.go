// Contexts that end while a message is being read: nothing is lost.

package websocket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

// arrivals are messages as they come over the wire.
var arrivals = map[string]struct {
	frames func(p *peer) [][]byte
	want   string
}{
	"short":                  {func(p *peer) [][]byte { return [][]byte{p.text("héllo")} }, "héllo"},
	"empty":                  {func(p *peer) [][]byte { return [][]byte{p.text("")} }, ""},
	"long":                   {func(p *peer) [][]byte { return [][]byte{p.text(lorem(200))} }, lorem(200)},
	"fragmented":             {func(p *peer) [][]byte { return fragments(p, "fragménted", false) }, "fragménted"},
	"compressed":             {func(p *peer) [][]byte { return [][]byte{p.packed(wire.Text, lorem(100))} }, lorem(100)},
	"compressed, fragmented": {func(p *peer) [][]byte { return fragments(p, lorem(100), true) }, lorem(100)},
	"behind an empty fragment": {func(p *peer) [][]byte {
		return [][]byte{p.frame(wire.Header{Opcode: wire.Text}, ""), p.frame(wire.Header{Fin: true}, "tail")}
	}, "tail"},
}

// ending makes a context that ends when end is called, in one of the ways in which contexts do.
var endings = map[string]func() (ctx context.Context, end func()){
	"cancelled": func() (context.Context, func()) {
		ctx, cancel := context.WithCancel(context.Background())
		return ctx, func() { cancel(); synctest.Wait() }
	},
	"past its deadline": func() (context.Context, func()) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		return ctx, func() { time.Sleep(time.Second); synctest.Wait(); cancel() }
	},
}

func TestReadInterruptedAtEveryByteLosesNothing(t *testing.T) {
	for name, arrival := range arrivals {
		for how, ending := range endings {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := deflated
					l.over, l.accept.KeepAlive.Interval, l.accept.Limits.FrameTimeout = overPipe, -1, -1
					server, p := l.rawClient(t)
					p.discard()
					var bytes []byte
					for _, frame := range arrival.frames(p) {
						bytes = append(bytes, frame...)
					}
					for i := range bytes[:len(bytes)-1] {
						ctx, end := ending()
						result := readInBackground(ctx, server)
						p.send(bytes[i : i+1])
						end()
						if err := (<-result).err; !errors.Is(err, ctx.Err()) || err == nil {
							t.Fatalf("after byte %d: %v", i, err)
						}
						if server.Err() != nil {
							t.Fatalf("after byte %d the connection has ended: %v", i, server.Err())
						}
					}
					result := readInBackground(context.Background(), server)
					p.send(bytes[len(bytes)-1:])
					if got := <-result; got.err != nil || string(got.data) != arrival.want {
						t.Fatalf("%q, %v", got.data, got.err)
					}
					result = readInBackground(context.Background(), server)
					p.send(p.text("next"))
					if got := <-result; got.err != nil || string(got.data) != "next" {
						t.Fatalf("next: %q, %v", got.data, got.err)
					}
				})
			})
		}
	}
}

type readResult struct {
	data []byte
	err  error
}

func readInBackground(ctx context.Context, c *websocket.Conn) <-chan readResult {
	result := make(chan readResult, 1)
	go func() {
		_, data, err := c.Read(ctx)
		result <- readResult{data, err}
	}()
	return result
}

// The same over the media that read in their own way. There is no telling how far a Read comes before its context ends.
func TestReadInterruptedAnywhereLosesNothing(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS, overUnix} {
		t.Run(string(over), func(t *testing.T) {
			l := deflated
			l.over = over
			server, p := l.rawClient(t)
			p.discard()
			for _, arrival := range arrivals {
				var bytes []byte
				for _, frame := range arrival.frames(p) {
					bytes = append(bytes, frame...)
				}
				for i := range bytes[:len(bytes)-1] {
					ctx, cancel := context.WithCancel(context.Background())
					go cancel()
					p.send(bytes[i : i+1])
					if _, got, err := server.Read(ctx); !errors.Is(err, context.Canceled) {
						t.Fatalf("after byte %d: %q, %v", i, got, err)
					}
				}
				p.send(bytes[len(bytes)-1:])
				wantMessage(t, server, websocket.Text, arrival.want)
			}
		})
	}
}

func TestContextsOfReads(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS} {
		t.Run(string(over), func(t *testing.T) {
			server, client := link{over: over}.connect(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			client.Write(ctx, websocket.Text, []byte("one"))
			if _, got, err := server.Read(ctx); string(got) != "one" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			client.Write(ctx, websocket.Text, []byte("two"))
			derived := context.WithValue(ctx, t, "the same end in another context")
			if _, got, err := server.Read(derived); string(got) != "two" || err != nil {
				t.Fatalf("with a context reused: %q, %v", got, err)
			}
			cancel()
			for range 2 {
				if _, _, err := server.Read(ctx); err != context.Canceled {
					t.Fatalf("with a context that had ended: %v", err)
				}
			}
			past, cancelPast := context.WithTimeout(t.Context(), -1)
			defer cancelPast()
			if _, _, err := server.Read(past); err != context.DeadlineExceeded {
				t.Fatalf("with a deadline in the past: %v", err)
			}
			client.Write(t.Context(), websocket.Text, []byte("three"))
			wantMessage(t, server, websocket.Text, "three")
		})
	}
}
