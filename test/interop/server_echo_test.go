// Messages between ws as client and our server: every length form, kind and compression.

package interop

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

// allSizes are payloads around the limits of the three length forms, in bytes.
var allSizes = []int{0, 1, 125, 126, 65535, 65536, 1 << 20}

// fewSizes do where only the compression differs.
var fewSizes = []int{0, 1, 126, 65536}

// How many JSON messages make a conversation in which context takeover pays, and how many are longer than any window.
const (
	manyJSON = 200
	someJSON = 60
)

// conversation is what ws shall say to our server, and hear again.
type conversation struct {
	URL       string  `json:"url"`
	Options   options `json:"options"`
	Sizes     []int   `json:"sizes"`
	Fragments int     `json:"fragments"`
	JSONs     int     `json:"jsons"`
}

// conversed is what ws tells of it.
type conversed struct {
	Extensions string `json:"extensions"` // as our server answered
	Messages   int    `json:"messages"`
	Wire       int    `json:"wire"` // bytes received
	End        end    `json:"end"`
}

func TestServerEchoes(t *testing.T) {
	ws := node.Shared(t, "client.js")
	const deflated = "permessage-deflate"
	for _, c := range []struct {
		name       string
		mode       websocket.CompressionMode
		cork       bool
		options    options
		sizes      []int
		extensions string
	}{
		{name: "without compression", options: options{"perMessageDeflate": false}, sizes: allSizes},
		{name: "corked", cork: true, options: options{"perMessageDeflate": false}, sizes: allSizes},
		{name: "with compression that only ws wants", options: deflate(nil), sizes: fewSizes},
		{name: "with compression that only the server wants", mode: websocket.CompressionTakeover,
			options: options{"perMessageDeflate": false}, sizes: fewSizes},
		{name: "without takeover", mode: websocket.CompressionNoTakeover, options: deflate(nil), sizes: allSizes,
			extensions: deflated + "; server_no_context_takeover; client_no_context_takeover"},
		{name: "with takeover", mode: websocket.CompressionTakeover, options: deflate(nil), sizes: allSizes,
			extensions: deflated + "; client_max_window_bits=12"},
		{name: "with takeover, corked", mode: websocket.CompressionTakeover, cork: true, options: deflate(nil), sizes: fewSizes,
			extensions: deflated + "; client_max_window_bits=12"},
		{name: "with takeover that ws denies itself", mode: websocket.CompressionTakeover,
			options: deflate(options{"clientNoContextTakeover": true}), sizes: fewSizes,
			extensions: deflated + "; client_no_context_takeover"},
		{name: "with takeover that ws denies the server", mode: websocket.CompressionTakeover,
			options: deflate(options{"serverNoContextTakeover": true}), sizes: fewSizes,
			extensions: deflated + "; server_no_context_takeover; client_max_window_bits=12"},
		{name: "with takeover from a client whose window cannot be limited", mode: websocket.CompressionTakeover,
			options: deflate(options{"clientMaxWindowBits": false}), sizes: fewSizes,
			extensions: deflated + "; client_no_context_takeover"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := converse(t, ws, &websocket.AcceptOptions{
				Compression: websocket.Compression{Mode: c.mode, Threshold: 1},
				CorkBursts:  c.cork,
			}, conversation{Options: c.options, Sizes: c.sizes, Fragments: 5, JSONs: manyJSON})
			if got.Extensions != c.extensions {
				t.Errorf("agreed on %q, want %q", got.Extensions, c.extensions)
			}
		})
	}
}

// A window is a promise: who breaks it makes messages that the other cannot read, once they are longer than the window.
func TestServerKeepsToEveryWindow(t *testing.T) {
	ws := node.Shared(t, "client.js")
	for bits := 8; bits <= 15; bits++ {
		for _, c := range []struct {
			name, parameter, extensions string
		}{
			{"of the server", "serverMaxWindowBits", fmt.Sprintf("server_max_window_bits=%d; client_max_window_bits=12", bits)},
			{"of the client", "clientMaxWindowBits", fmt.Sprintf("client_max_window_bits=%d", min(bits, 12))},
		} {
			t.Run(fmt.Sprintf("%s, %d bits", c.name, bits), func(t *testing.T) {
				got := converse(t, ws, &websocket.AcceptOptions{
					Compression: websocket.Compression{Mode: websocket.CompressionTakeover, Threshold: 1},
				}, conversation{Options: deflate(options{c.parameter: bits}), Sizes: fewSizes, Fragments: 3, JSONs: someJSON})
				if want := "permessage-deflate; " + c.extensions; got.Extensions != want {
					t.Errorf("agreed on %q, want %q", got.Extensions, want)
				}
			})
		}
	}
}

func TestServerCompressionPays(t *testing.T) {
	ws := node.Shared(t, "client.js")
	wire := func(mode websocket.CompressionMode) int {
		opts := &websocket.AcceptOptions{Compression: websocket.Compression{Mode: mode, Threshold: 1}}
		return converse(t, ws, opts, conversation{Options: deflate(nil), JSONs: manyJSON}).Wire
	}
	off, alone, takeover := wire(websocket.CompressionOff), wire(websocket.CompressionNoTakeover), wire(websocket.CompressionTakeover)
	if alone > off/2 || takeover > alone*9/10 {
		t.Errorf("%d JSON messages took %d bytes uncompressed, %d each by itself, %d with takeover", manyJSON, off, alone, takeover)
	}
}

// converse lets ws talk to an echo server of ours, and checks that the conversation went well.
func converse(t *testing.T, ws *node.Peer, opts *websocket.AcceptOptions, c conversation) conversed {
	t.Helper()
	c.URL = ours(t, echo(t), opts)
	got := node.Call[conversed](t, ws, "echo", c)
	forms := 2 * min(2, cmp.Or(c.Fragments, 1)) // text and binary, whole and in fragments
	if want := forms*len(c.Sizes) + c.JSONs; got.Messages != want {
		t.Errorf("%d messages came back, want %d", got.Messages, want)
	}
	checkEnd(t, got.End, websocket.StatusNormalClosure, "")
	return got
}
