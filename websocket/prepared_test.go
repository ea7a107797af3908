// Prepared messages, written to connections of every kind.

package websocket_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestAPreparedMessageSuitsEveryConnection(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 511, 512, 3000, 9000, 40_000, 100_000}
	prepared := make([]*websocket.PreparedMessage, len(sizes))
	for i, n := range sizes {
		prepared[i] = websocket.Prepare(websocket.Text, []byte(lorem(n)))
	}
	var wg sync.WaitGroup
	for _, mode := range modes {
		for _, theirs := range modes {
			for _, level := range []int{1, 6} {
				l := link{}.compressed(mode)
				l.dial.Compression.Mode, l.accept.Compression.Level = theirs, level
				server, client := l.connect(t)
				for _, roles := range [][2]*websocket.Conn{{client, server}, {server, client}} {
					from, to := roles[0], roles[1]
					ctx := soon(t)
					wg.Go(func() { // interleaved with messages that enter the windows
						for i, n := range sizes {
							from.Write(ctx, websocket.Text, []byte("before "+lorem(n)))
							if err := from.WritePrepared(ctx, prepared[i]); err != nil {
								t.Error(err)
							}
						}
						from.Write(ctx, websocket.Text, []byte(lorem(5000)))
					})
					wg.Go(func() {
						for _, n := range sizes {
							for _, want := range []string{"before " + lorem(n), lorem(n)} {
								if _, got, err := to.Read(ctx); err != nil || string(got) != want {
									t.Errorf("%v to %v: %d bytes of %d, %v", mode, theirs, len(got), len(want), err)
									return
								}
							}
						}
						if _, got, err := to.Read(ctx); err != nil || string(got) != lorem(5000) {
							t.Errorf("%v to %v: %d bytes at last, %v", mode, theirs, len(got), err)
						}
					})
				}
			}
		}
	}
	wg.Wait()
}

// A raw client that narrows the server's window inflates with that window and no more.
func TestAPreparedMessageKeepsToNarrowWindows(t *testing.T) {
	messages := []string{lorem(300), lorem(700), strings.Repeat(lorem(600), 3), lorem(20_000)}
	prepared := make([]*websocket.PreparedMessage, len(messages))
	for i, text := range messages {
		prepared[i] = websocket.Prepare(websocket.Binary, []byte(text))
	}
	for bits := 15; bits >= 8; bits-- {
		for _, takeover := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d bits, takeover %v", bits, takeover), func(t *testing.T) {
				l := link{}.compressed(websocket.CompressionTakeover)
				l.offer = fmt.Sprintf("permessage-deflate; server_max_window_bits=%d", bits)
				if !takeover {
					l.offer += "; server_no_context_takeover"
				}
				server, p := l.rawClient(t)
				inflator := deflate.NewInflator(takeover, bits)
				wantPacked := func(want string) {
					t.Helper()
					h, packed, err := p.next()
					if err != nil || !h.RSV1 {
						t.Fatalf("compressed: %v, %v", h.RSV1, err)
					}
					got, err := inflator.Append(nil, []byte(packed), deflate.Bounds{Size: -1})
					if err != nil || string(got) != want {
						t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
					}
				}
				for i, text := range messages {
					go func() {
						server.WritePrepared(t.Context(), prepared[i])
						server.Write(t.Context(), websocket.Binary, []byte("and "+text))
					}()
					wantPacked(text)
					wantPacked("and " + text)
				}
			})
		}
	}
}

func TestAPreparedMessageUnderTheThresholdStaysPlain(t *testing.T) {
	l := link{accept: websocket.AcceptOptions{Compression: websocket.Compression{Mode: websocket.CompressionNoTakeover}}, offer: "permessage-deflate"}
	server, p := l.rawClient(t)
	for n, packed := range map[int]bool{511: false, 512: true} {
		server.WritePrepared(t.Context(), websocket.Prepare(websocket.Text, []byte(lorem(n))))
		h, _, err := p.next()
		if h.RSV1 != packed || err != nil {
			t.Errorf("%d bytes: compressed %v, %v", n, h.RSV1, err)
		}
	}
}

// Connections write the prepared bytes from where they lie, and a client's masks must not fall on them.
func TestAPreparedMessageIsNotChangedByBeingWritten(t *testing.T) {
	for name, mode := range modes {
		payload := []byte(lorem(50_000))
		m := websocket.Prepare(websocket.Text, payload)
		server, client := link{}.compressed(mode).connect(t)
		for range 3 {
			go client.WritePrepared(t.Context(), m)
			wantMessage(t, server, websocket.Text, lorem(50_000))
			go server.WritePrepared(t.Context(), m)
			wantMessage(t, client, websocket.Text, lorem(50_000))
		}
		if string(payload) != lorem(50_000) {
			t.Errorf("%s: the caller's payload was changed", name)
		}
	}
}

func TestAClientMasksEachWritingOfAPreparedMessageAnew(t *testing.T) {
	client, p := link{}.rawServer(t)
	m := websocket.Prepare(websocket.Text, []byte("the same"))
	keys := make(map[uint32]bool)
	for range 10 {
		client.WritePrepared(t.Context(), m)
		h, got, err := p.next()
		if err != nil || got != "the same" || h.Opcode != wire.Text {
			t.Fatalf("%q, %v", got, err)
		}
		keys[h.Key] = true
	}
	if len(keys) < 9 {
		t.Errorf("%d keys for 10 frames", len(keys))
	}
}

func TestWritingAPreparedMessageAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Log("under the race detector sync.Pool drops at random; the count says nothing")
		return
	}
	for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoTakeover} {
		server, client := link{}.compressed(mode).connect(t)
		m, buf := websocket.Prepare(websocket.Text, []byte(lorem(2000))), []byte(nil)
		n := testing.AllocsPerRun(200, func() {
			err := server.WritePrepared(t.Context(), m)
			if err == nil {
				_, buf, err = client.ReadInto(t.Context(), buf)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 {
			t.Errorf("%v: %v allocations", mode, n)
		}
	}
}
