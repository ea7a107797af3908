// The opening handshake of ws with our server.

package interop

import (
	"encoding/pem"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

// opening is what ws shall ask for.
type opening struct {
	URL       string   `json:"url"`
	Protocols []string `json:"protocols"`
	Options   options  `json:"options"`
}

// opened is what ws got.
type opened struct {
	Status   int    `json:"status"`
	Body     string `json:"body"`
	Protocol string `json:"protocol"`
	Error    string `json:"error"` // why ws itself gave up
}

func TestServerChoosesASubprotocol(t *testing.T) {
	ws := node.Shared(t, "client.js")
	for _, c := range []struct {
		name          string
		offered, ours []string
		want          opened
	}{
		{"none offered", nil, []string{"chat"}, opened{Status: 101}},
		{"the only one", []string{"chat"}, []string{"chat"}, opened{Status: 101, Protocol: "chat"}},
		{"the one that the server likes best", []string{"v1", "v2"}, []string{"v3", "v2", "v1"}, opened{Status: 101, Protocol: "v2"}},
		{"none in common, which ws does not accept", []string{"mqtt"}, []string{"chat"}, opened{Error: "Server sent no subprotocol"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := make(chan string, 1)
			url := ours(t, func(conn *websocket.Conn) {
				seen <- conn.Subprotocol()
				listen(conn)
			}, &websocket.AcceptOptions{Subprotocols: c.ours})
			if got := node.Call[opened](t, ws, "handshake", opening{URL: url, Protocols: c.offered}); got != c.want {
				t.Errorf("ws got %+v, want %+v", got, c.want)
			}
			if got := <-seen; got != c.want.Protocol {
				t.Errorf("our side has the subprotocol %q, want %q", got, c.want.Protocol)
			}
		})
	}
}

func TestServerChecksTheOrigin(t *testing.T) {
	ws := node.Shared(t, "client.js")
	url := ours(t, listen, &websocket.AcceptOptions{Origins: []string{"https://app.example", "*.friends.example"}})
	for _, c := range []struct {
		origin string
		status int
	}{
		{"", 101},
		{"http" + strings.TrimPrefix(url, "ws"), 101},
		{"https://app.example", 101},
		{"https://a.friends.example", 101},
		{"http://app.example", 403},
		{"https://app.example:8443", 403},
		{"https://evil.example", 403},
		{"null", 403},
	} {
		t.Run("from "+c.origin, func(t *testing.T) {
			got := node.Call[opened](t, ws, "handshake", opening{URL: url, Options: options{"origin": c.origin}})
			if got.Status != c.status {
				t.Fatalf("ws got %+v, want status %d", got, c.status)
			}
			if c.status == 403 && !strings.Contains(got.Body, c.origin) {
				t.Errorf("the refusal %q does not name the origin %q", got.Body, c.origin)
			}
		})
	}
}

func TestServerOverTLS(t *testing.T) {
	ws := node.Shared(t, "client.js")
	s := httptest.NewTLSServer(websocket.Handler(echo(t), &websocket.AcceptOptions{
		Compression: websocket.Compression{Mode: websocket.CompressionTakeover},
	}))
	defer s.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	opts := deflate(nil)
	opts["ca"] = string(authority)
	got := node.Call[conversed](t, ws, "echo", conversation{
		URL: "wss" + strings.TrimPrefix(s.URL, "https"), Options: opts, Sizes: slices.Clone(allSizes), Fragments: 3, JSONs: 20,
	})
	checkEnd(t, got.End, websocket.StatusNormalClosure, "")
}
