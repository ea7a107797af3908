package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/tap"
	"github.com/ringdown/ringdown/websocket/wire"
)

// tapped is what a tap has shown.
type tapped struct {
	mu     sync.Mutex
	frames []websocket.Frame
}

func (p *tapped) see(f websocket.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.Payload = bytes.Clone(f.Payload)
	p.frames = append(p.frames, f)
}

// of are the frames of one direction, each as a line.
func (p *tapped) of(sent bool) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.Sent == sent {
			lines = append(lines, fmt.Sprintf("%v fin=%t rsv1=%t masked=%t wire=%d size=%d %.20q", f.Opcode, f.Fin, f.RSV1, f.Masked, f.Wire, f.Size, f.Payload))
		}
	}
	return lines
}

// Whatever one side's tap shows as sent, the other's shows as received.
func TestTapsOnBothSidesShowTheSame(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS} {
		for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoTakeover, websocket.CompressionTakeover} {
			t.Run(fmt.Sprintf("%s, compression %v", over, mode), func(t *testing.T) {
				t.Parallel()
				l := link{over: over}
				if mode != websocket.CompressionOff {
					l = l.compressed(mode)
				}
				server, client := l.connect(t)
				var atServer, atClient tapped
				server.Tap(atServer.see)
				client.Tap(atClient.see)
				go echo(server)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				large := []byte(lorem(100_000))
				for _, m := range []websocket.Message{
					{websocket.Text, []byte("hello")}, {websocket.Binary, []byte{1, 2, 3}}, {websocket.Text, nil}, {websocket.Binary, large}, {websocket.Text, []byte("grüße")},
				} {
					if err := client.Write(ctx, m.Type, m.Data); err != nil {
						t.Fatal(err)
					}
					if _, got, err := client.Read(ctx); err != nil || !bytes.Equal(got, m.Data) {
						t.Fatal(len(got), err)
					}
				}
				if err := client.WritePrepared(ctx, websocket.Prepare(websocket.Text, []byte("prepared prepared prepared"))); err != nil {
					t.Fatal(err)
				}
				client.Read(ctx)
				pinged := make(chan error)
				go func() {
					_, err := client.Ping(ctx)
					pinged <- err
				}()
				go client.CloseRead(ctx)
				if err := <-pinged; err != nil {
					t.Fatal(err)
				}
				client.Close(4001, "bye")
				until(t, "the server has ended", func() bool { return server.Err() != nil })
				for _, way := range []struct {
					name      string
					sent, got *tapped
				}{{"to the server", &atClient, &atServer}, {"to the client", &atServer, &atClient}} {
					sent, got := way.sent.of(true), way.got.of(false)
					if !slices.Equal(sent, got) {
						t.Errorf("%s was sent\n%s\nand came\n%s", way.name, strings.Join(sent, "\n"), strings.Join(got, "\n"))
					}
					if len(sent) != 8 { // six messages, a ping or pong, Close
						t.Errorf("%d frames %s", len(sent), way.name)
					}
				}
				first := atServer.of(false)[0]
				want := `text fin=true rsv1=false masked=true wire=11 size=5 "hello"`
				if mode != websocket.CompressionOff {
					want = `text fin=true rsv1=true masked=true wire=`
				}
				if !strings.HasPrefix(first, want) || !strings.HasSuffix(first, `size=5 "hello"`) {
					t.Errorf("the first frame is %s", first)
				}
			})
		}
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// A message that is written as a stream comes in fragments; control frames may stand between them.
func TestATapShowsFragments(t *testing.T) {
	for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionTakeover} {
		server, client := link{}.compressed(mode).connect(t)
		var seen tapped
		server.Tap(seen.see)
		go func() {
			w, _ := client.Writer(t.Context(), websocket.Text)
			io.WriteString(w, lorem(100_000))
			w.Close()
		}()
		if _, got, err := server.Read(t.Context()); err != nil || len(got) != 100_000 {
			t.Fatal(len(got), err)
		}
		frames := seen.frames
		last := frames[len(frames)-1]
		if first := frames[0]; first.Opcode != wire.Text || len(frames) > 1 && first.Fin || !last.Fin || first.RSV1 != (mode != 0) {
			t.Errorf("%+v", seen.of(false))
		}
		want := int64(100_000)
		if mode == 0 {
			want -= int64(len(frames)-1) * frames[0].Size
			if len(frames) < 3 || last.Opcode != wire.Continuation || !strings.HasPrefix(lorem(100_000), string(frames[0].Payload)) || len(frames[0].Payload) != websocket.MaxTapped {
				t.Errorf("%v", seen.of(false))
			}
		}
		if last.Size != want {
			t.Errorf("the last frame is of %d bytes, want %d: %v", last.Size, want, seen.of(false))
		}
	}
}

// masked is a frame as a client sends it.
func masked(h wire.Header, payload string) []byte {
	h.Masked, h.Key = true, wire.NewMaskKey()
	return wire.AppendFrame(nil, h, []byte(payload))
}

// A tap begins at the next frame, wherever the connection stands, and ends when it is told to.
func TestATapBeginsAndEndsWheneverItLikes(t *testing.T) {
	frames := slices.Concat(masked(wire.Header{Opcode: wire.Text}, "one"), masked(wire.Header{Fin: true, Opcode: wire.Ping}, "?"),
		masked(wire.Header{Fin: true, Opcode: wire.Continuation}, "two"), masked(wire.Header{Fin: true, Opcode: wire.Binary}, lorem(300)))
	ends := []int{9, 16, 25}
	for cut := range frames {
		var d wire.Decoder
		d.Init(wire.Server, new(wire.Limits), false)
		input := slices.Clone(frames)
		for in := input[:cut]; len(in) > 0; {
			n, _, err := d.Next(in)
			if err != nil {
				t.Fatal(err)
			}
			in = in[n:]
		}
		var seen tapped
		var mu sync.Mutex
		var at tap.Point
		stop := at.Add(&mu, seen.see)
		for in := input[cut:]; len(in) > 0; {
			n, _, err := at.Load().Piece(&d, in[:min(len(in), 7)])
			if err != nil {
				t.Fatal(err)
			}
			in = in[n:]
		}
		want := 4
		for _, end := range ends {
			if cut >= end {
				want--
			}
		}
		for _, begin := range append([]int{0}, ends...) { // in the middle of a payload, the frame is left out
			end := map[int]int{0: 9, 9: 16, 16: 25, 25: len(frames)}[begin]
			head := 6
			if begin == 25 {
				head = 8
			}
			if cut >= begin+head && cut < end {
				want--
			}
		}
		if len(seen.frames) != want {
			t.Errorf("after %d bytes: %d frames, want %d: %v", cut, len(seen.frames), want, seen.of(false))
		}
		for _, f := range seen.frames {
			if text := string(f.Payload); text != "one" && text != "two" && text != "?" && text != lorem(300) {
				t.Errorf("after %d bytes: %q", cut, text)
			}
		}
		if stop(); at.Load() != nil {
			t.Error("the tap is still there")
		}
	}
}

// f may stop its own tap, and another goes on.
func TestATapStopsItself(t *testing.T) {
	server, client := link{}.connect(t)
	var once, all tapped
	var stop func()
	stop = server.Tap(func(f websocket.Frame) {
		once.see(f)
		stop()
	})
	server.Tap(all.see)
	for range 3 {
		client.Write(t.Context(), websocket.Text, []byte("x"))
		if _, _, err := server.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(once.of(false)) != 1 || len(all.of(false)) != 3 {
		t.Errorf("%v and %v", once.of(false), all.of(false))
	}
}

// Taps come and go while messages do.
func TestTapsComeAndGoWhileMessagesDo(t *testing.T) {
	server, client := link{}.connect(t)
	go echo(server)
	over := make(chan struct{})
	var tapping sync.WaitGroup
	for range 4 {
		tapping.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				var seen tapped
				server.Tap(seen.see)()
				stop := server.Tap(seen.see)
				time.Sleep(time.Millisecond)
				stop()
			}
		})
	}
	for range 2000 {
		client.Write(t.Context(), websocket.Text, []byte("hello"))
		if _, got, err := client.Read(t.Context()); err != nil || string(got) != "hello" {
			t.Fatal(got, err)
		}
	}
	close(over)
	tapping.Wait()
}

// What a peer sends that breaks the protocol is shown last.
func TestATapShowsTheFrameThatBreaksTheProtocol(t *testing.T) {
	for _, c := range []struct {
		proves string
		bytes  []byte
		want   string
	}{
		{"not masked", wire.AppendFrame(nil, wire.Header{Fin: true, Opcode: wire.Text}, []byte("hello")), `text fin=true rsv1=false masked=false wire=2 size=0 ""`},
		{"a reserved opcode", masked(wire.Header{Fin: true, Opcode: 3}, "hello"), `opcode 3 fin=true rsv1=false masked=true wire=6 size=0 ""`},
		{"not UTF-8", masked(wire.Header{Fin: true, Opcode: wire.Text}, "\xff"), `text fin=true rsv1=false masked=true wire=7 size=1 "\xff"`},
		{"a bad close code", masked(wire.Header{Fin: true, Opcode: wire.Close}, "\x03\xed"), `close fin=true rsv1=false masked=true wire=8 size=2 "\x03\xed"`},
	} {
		var d wire.Decoder
		d.Init(wire.Server, new(wire.Limits), false)
		var seen tapped
		var mu sync.Mutex
		var at tap.Point
		at.Add(&mu, seen.see)
		if _, _, err := at.Load().Piece(&d, c.bytes); err == nil {
			t.Errorf("%s: no violation", c.proves)
		}
		if got := seen.of(false); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %v, want %s", c.proves, got, c.want)
		}
	}
}
