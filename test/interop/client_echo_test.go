// Messages between our client and a server of ws: every length form, kind and compression.

package interop

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

func TestClientIsEchoed(t *testing.T) {
	ws := node.Shared(t, "server.js")
	const deflated = "permessage-deflate"
	for _, c := range []struct {
		name       string
		mode       websocket.CompressionMode
		cork       bool
		options    options
		sizes      []int
		extensions string
	}{
		{name: "without compression", sizes: allSizes},
		{name: "corked", cork: true, sizes: allSizes},
		{name: "with compression that only ws wants", options: deflate(nil), sizes: fewSizes},
		{name: "with compression that only the client wants", mode: websocket.CompressionTakeover, sizes: fewSizes},
		{name: "without takeover", mode: websocket.CompressionNoTakeover, options: deflate(nil), sizes: allSizes,
			extensions: deflated + "; server_no_context_takeover; client_no_context_takeover"},
		{name: "with takeover", mode: websocket.CompressionTakeover, options: deflate(nil), sizes: allSizes,
			extensions: deflated + "; server_max_window_bits=12"},
		{name: "with takeover, corked", mode: websocket.CompressionTakeover, cork: true, options: deflate(nil), sizes: fewSizes,
			extensions: deflated + "; server_max_window_bits=12"},
		{name: "with takeover that ws denies itself", mode: websocket.CompressionTakeover,
			options: deflate(options{"serverNoContextTakeover": true}), sizes: fewSizes,
			extensions: deflated + "; server_max_window_bits=12; server_no_context_takeover"},
		{name: "with takeover that ws denies the client", mode: websocket.CompressionTakeover,
			options: deflate(options{"clientNoContextTakeover": true}), sizes: fewSizes,
			extensions: deflated + "; server_max_window_bits=12; client_no_context_takeover"},
		{name: "with takeover from a server whose window cannot be limited", mode: websocket.CompressionTakeover,
			options: deflate(options{"serverMaxWindowBits": false}), sizes: allSizes,
			extensions: deflated},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, extensions := dial(t, theirs(t, ws, listener{Behaviour: "echo", Options: c.options}), &websocket.DialOptions{
				Compression: websocket.Compression{Mode: c.mode, Threshold: 1},
				CorkBursts:  c.cork,
			})
			if extensions != c.extensions {
				t.Errorf("agreed on %q, want %q", extensions, c.extensions)
			}
			hearBack(t, ws, conn, c.sizes, manyJSON)
		})
	}
}

func TestClientReadsFragments(t *testing.T) {
	ws := node.Shared(t, "server.js")
	for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoTakeover, websocket.CompressionTakeover} {
		t.Run(fmt.Sprintf("compression mode %d", mode), func(t *testing.T) {
			url := theirs(t, ws, listener{Behaviour: "echo", Options: deflate(nil), Fragments: 5})
			conn, _ := dial(t, url, &websocket.DialOptions{Compression: websocket.Compression{Mode: mode, Threshold: 1}})
			hearBack(t, ws, conn, allSizes, someJSON)
		})
	}
}

func TestClientKeepsToEveryWindow(t *testing.T) {
	ws := node.Shared(t, "server.js")
	for bits := 8; bits <= 15; bits++ {
		for _, c := range []struct {
			name, parameter, extensions string
		}{
			{"of the server", "serverMaxWindowBits", fmt.Sprintf("server_max_window_bits=%d", bits)},
			{"of the client", "clientMaxWindowBits", fmt.Sprintf("server_max_window_bits=12; client_max_window_bits=%d", bits)},
		} {
			t.Run(fmt.Sprintf("%s, %d bits", c.name, bits), func(t *testing.T) {
				url := theirs(t, ws, listener{Behaviour: "echo", Options: deflate(options{c.parameter: bits})})
				conn, extensions := dial(t, url, &websocket.DialOptions{
					Compression: websocket.Compression{Mode: websocket.CompressionTakeover, Threshold: 1},
				})
				if want := "permessage-deflate; " + c.extensions; extensions != want {
					t.Errorf("agreed on %q, want %q", extensions, want)
				}
				hearBack(t, ws, conn, fewSizes, someJSON)
			})
		}
	}
}

// A writer's message leaves in fragments, cut without regard to characters.
func TestClientStreams(t *testing.T) {
	ws := node.Shared(t, "server.js")
	for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionTakeover} {
		t.Run(fmt.Sprintf("compression mode %d", mode), func(t *testing.T) {
			url := theirs(t, ws, listener{Behaviour: "echo", Options: deflate(nil)})
			conn, _ := dial(t, url, &websocket.DialOptions{Compression: websocket.Compression{Mode: mode}})
			want := text(200_000)
			w, err := conn.Writer(soon(t), websocket.Text)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(want); i += 33_333 {
				if _, err := w.Write(want[i:min(i+33_333, len(want))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkNext(t, conn, websocket.Text, want)
		})
	}
}

// hearBack sends messages of the sizes and as much JSON as said, without waiting, and compares what comes back.
func hearBack(t *testing.T, ws *node.Peer, c *websocket.Conn, sizes []int, json int) {
	t.Helper()
	messages := jsons(json)
	sent, ctx := make(chan error, 1), soon(t)
	go func() {
		var err error
		write := func(typ websocket.MessageType, payload []byte) {
			if err == nil {
				err = c.Write(ctx, typ, payload)
			}
		}
		for _, size := range sizes {
			write(websocket.Text, text(size))
			write(websocket.Binary, binary(size))
		}
		for _, m := range messages {
			write(websocket.Text, m)
		}
		sent <- err
	}()
	for _, size := range sizes {
		checkNext(t, c, websocket.Text, text(size))
		checkNext(t, c, websocket.Binary, binary(size))
	}
	for _, m := range messages {
		checkNext(t, c, websocket.Text, m)
	}
	if err := <-sent; err != nil {
		t.Errorf("Write: %v", err)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	checkEnd(t, ended(t, ws, c), websocket.StatusNormalClosure, "")
}

// checkNext reads a message and compares it.
func checkNext(t *testing.T, c *websocket.Conn, typ websocket.MessageType, want []byte) {
	t.Helper()
	gotType, got, err := c.Read(soon(t))
	if err != nil {
		t.Fatalf("waiting for a %v message of %d bytes: %v", typ, len(want), err)
	}
	if gotType != typ || !bytes.Equal(got, want) {
		t.Fatalf("a %v message of %d bytes came back as a %v message of %d other bytes", typ, len(want), gotType, len(got))
	}
}
