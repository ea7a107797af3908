// Messages read as streams.

package websocket_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// deflated is a link over which a raw client may send compressed messages.
var deflated = link{accept: websocket.AcceptOptions{Compression: websocket.Compression{Mode: websocket.CompressionNoTakeover}}, offer: "permessage-deflate"}

func TestReaderStreamsMessagesOfAllSizes(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.compressed(mode).connect(t)
			ctx := soon(t)
			for _, roles := range [][2]*websocket.Conn{{client, server}, {server, client}} {
				from, to := roles[0], roles[1]
				for _, n := range []int{0, 1, 1000, 70_000, 300_000} {
					want := lorem(n)
					go from.Write(ctx, websocket.Text, []byte(want))
					typ, r, err := to.Reader(ctx)
					if err != nil || typ != websocket.Text {
						t.Fatal(typ, err)
					}
					got, err := io.ReadAll(r)
					if err != nil || string(got) != want {
						t.Fatalf("%d bytes of %d, %v", len(got), n, err)
					}
					if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("behind the end: %d, %v", n, err)
					}
				}
			}
		})
	}
}

func TestReaderIsAWellBehavedReader(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.compressed(mode).connect(t)
			ctx := soon(t)
			want := []byte(lorem(5000))
			client.Write(ctx, websocket.Binary, want)
			_, r, err := server.Reader(ctx)
			if err == nil {
				err = iotest.TestReader(r, want)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAbandonedReaderIsSkippedByTheNextRead(t *testing.T) {
	for name, mode := range modes {
		for _, took := range []int{0, 1, 5000, 99_999, 100_000} {
			t.Run(name, func(t *testing.T) {
				server, client := link{}.compressed(mode).connect(t)
				ctx := soon(t)
				go func() {
					client.Write(ctx, websocket.Text, []byte(lorem(100_000)))
					client.Write(ctx, websocket.Text, []byte(lorem(3000)))
					client.Write(ctx, websocket.Text, []byte("last"))
				}()
				_, r, err := server.Reader(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(r, make([]byte, took)); err != nil {
					t.Fatal(err)
				}
				wantMessage(t, server, websocket.Text, lorem(3000))
				if n, err := r.Read(make([]byte, 10)); err == nil {
					t.Errorf("the skipped message still gave %d bytes", n)
				}
				_, again, err := server.Reader(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(again); string(got) != "last" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
	}
}

// io.ReadAll must not take half a message for a whole one, whoever has read on.
func TestASkippedStreamDoesNotReadAsComplete(t *testing.T) {
	for how, skip := range map[string]func(t *testing.T, c *websocket.Conn, p *peer, rest []byte){
		"Read": func(t *testing.T, c *websocket.Conn, p *peer, rest []byte) {
			p.send(rest, p.text("next"))
			wantMessage(t, c, websocket.Text, "next")
		},
		"a second Reader": func(t *testing.T, c *websocket.Conn, p *peer, rest []byte) {
			p.send(rest, p.text("next"))
			_, again, err := c.Reader(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(again); string(got) != "next" || err != nil {
				t.Errorf("the next message: %q, %v", got, err)
			}
		},
		"Close": func(t *testing.T, c *websocket.Conn, p *peer, rest []byte) {
			closed := make(chan error, 1)
			go func() { closed <- c.Close(1001, "") }()
			p.wantClose(1001, "")
			p.send(rest, p.closing(1001, ""))
			if err := <-closed; err != nil {
				t.Error(err)
			}
		},
		"Close, the rest never coming": func(t *testing.T, c *websocket.Conn, p *peer, _ []byte) {
			closed := make(chan error, 1)
			go func() { closed <- c.Close(1001, "") }()
			p.wantClose(1001, "")
			p.send(p.closing(1001, ""))
			if err := <-closed; err != nil {
				t.Error(err)
			}
		},
	} {
		for name, packed := range map[string]bool{"plain": false, "compressed": true} {
			t.Run(how+", "+name, func(t *testing.T) {
				c, p := deflated.rawClient(t)
				rest := []byte(nil) // a compressed message has come as a whole before the first of it is handed out
				if packed {
					p.send(p.packed(wire.Text, lorem(1000)))
				} else {
					p.send(p.frame(wire.Header{Opcode: wire.Text}, lorem(500)))
					rest = p.frame(wire.Header{Fin: true}, lorem(500))
				}
				_, r, err := c.Reader(soon(t))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
					t.Fatal(err)
				}
				skip(t, c, p, rest)
				for range 2 {
					if got, err := io.ReadAll(r); len(got) > 0 || err == nil {
						t.Errorf("the rest reads as %.40q, %v", got, err)
					}
				}
			})
		}
	}
}

// fragments is a message in three frames with a ping between them.
func fragments(p *peer, payload string, packed bool) [][]byte {
	if packed {
		payload = string(deflate.Compress(nil, []byte(payload), 1, 15))
	}
	a, b := len(payload)/3, 2*len(payload)/3
	return [][]byte{
		p.frame(wire.Header{Opcode: wire.Text, RSV1: packed}, payload[:a]),
		p.frame(wire.Header{Opcode: wire.Continuation}, payload[a:b]),
		p.control(wire.Ping, "between"),
		p.frame(wire.Header{Fin: true, Opcode: wire.Continuation}, payload[b:]),
	}
}

func TestReaderGoesOnWithWhatAnInterruptedReadHasLeft(t *testing.T) {
	const text = "some text that an interrupted Read has seen half of, and some text that it has not"
	for name, packed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			server, p := deflated.rawClient(t)
			all := strings.Join(toStrings(fragments(p, text, packed)), "")
			for cut := range len(all) {
				p.send([]byte(all[:cut]))
				interruptedRead(t, server)
				p.send([]byte(all[cut:]), p.text("next"))
				typ, r, err := server.Reader(soon(t))
				if err != nil || typ != websocket.Text {
					t.Fatalf("cut at %d: %v, %v", cut, typ, err)
				}
				if got, err := io.ReadAll(r); string(got) != text || err != nil {
					t.Fatalf("cut at %d: %q, %v", cut, got, err)
				}
				wantMessage(t, server, websocket.Text, "next")
				p.want(wire.Pong, "between")
			}
		})
	}
}

func toStrings(pieces [][]byte) (s []string) {
	for _, p := range pieces {
		s = append(s, string(p))
	}
	return s
}

// interruptedRead is a Read of an unfinished message whose context ends.
func interruptedRead(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, got, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted Read returned %q, %v", got, err)
	}
}

func TestReaderAfterAnAssembledMessageStartsAfresh(t *testing.T) {
	for name, packed := range map[string]bool{"fragmented": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			server, p := deflated.rawClient(t)
			p.send(fragments(p, lorem(600), packed)...)
			wantMessage(t, server, websocket.Text, lorem(600))
			p.send(fragments(p, "a compressed message, to be streamed", true)...)
			_, r, err := server.Reader(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != "a compressed message, to be streamed" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestReaderWhoseContextEndsHarmsNothing(t *testing.T) {
	server, p := link{}.rawClient(t)
	parts := fragments(p, lorem(300), false)
	p.send(parts[0])
	ctx, cancel := context.WithCancel(t.Context())
	_, r, err := server.Reader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	go cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: %v", err)
	}
	p.send(parts[1:]...)
	p.send(p.text("next"))
	wantMessage(t, server, websocket.Text, "next")
	p.want(wire.Pong, "between")
}

func TestReaderHandsOutPiecesAsTheyCome(t *testing.T) {
	server, p := link{}.rawClient(t)
	frames := []wire.Header{{Opcode: wire.Binary}, {}, {}, {Fin: true}}
	var r io.Reader
	for i, want := range []string{"one", "", "two", "three"} { // each is sent when the one before has been read
		p.send(p.frame(frames[i], want))
		if r == nil {
			var err error
			if _, r, err = server.Reader(soon(t)); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

func TestReaderMeetsViolations(t *testing.T) {
	bad := string(deflate.Compress(nil, []byte("\xff no UTF-8"), 1, 15))
	for name, test := range map[string]struct {
		frames func(*peer) [][]byte
		code   websocket.StatusCode
		words  string
	}{
		"text that is no UTF-8": {func(p *peer) [][]byte {
			return [][]byte{p.frame(wire.Header{Opcode: wire.Text}, "good "), p.frame(wire.Header{Fin: true}, "\xff")}
		}, 1007, "UTF-8"},
		"compressed text that is no UTF-8": {func(p *peer) [][]byte {
			return [][]byte{p.frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Text}, bad)}
		}, 1007, "UTF-8"},
		"compressed text that ends within a character": {func(p *peer) [][]byte { return [][]byte{p.packed(wire.Text, "h\xc3")} }, 1007, "UTF-8"},
		"bytes that are no DEFLATE": {func(p *peer) [][]byte {
			return [][]byte{p.frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Text}, "\xff\xff\xff")}
		}, 1007, "corrupt"},
		"a message that inflates too far": {func(p *peer) [][]byte { return [][]byte{p.packed(wire.Binary, lorem(2<<20))} }, 1009, "1048576"},
		"a new message within":            {func(p *peer) [][]byte { return [][]byte{p.frame(wire.Header{Opcode: wire.Text}, "a"), p.text("b")} }, 1002, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := deflated.rawClient(t)
			p.send(test.frames(p)...)
			_, r, err := server.Reader(soon(t))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			wantViolation(t, err, test.code, test.words)
			wantViolation(t, server.Err(), test.code, test.words)
			p.wantClose(test.code, test.words)
		})
	}
}

// A message that is skipped has passed through the window that later ones refer to: it cannot be forgiven.
func TestSkippingACorruptMessageFailsTheConnection(t *testing.T) {
	server, p := deflated.rawClient(t)
	p.send(p.frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Text}, "\xff\xff\xff"), p.text("next"))
	if _, _, err := server.Reader(soon(t)); err != nil {
		t.Fatal(err)
	}
	_, got, err := server.Read(soon(t))
	if err == nil {
		t.Fatalf("read %q", got)
	}
	wantViolation(t, err, 1007, "corrupt")
	p.wantClose(1007, "corrupt")
}
