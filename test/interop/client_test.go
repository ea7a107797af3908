// What the tests of our client share: servers of ws, and calls.

package interop

import (
	"fmt"
	"net"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

// listener is a server of ws that shall be started.
type listener struct {
	Behaviour string  `json:"behaviour"` // a name in server.js; what it needs is below
	Options   options `json:"options,omitempty"`
	TLS       *pair   `json:"tls,omitempty"`
	Protocol  string  `json:"protocol,omitempty"` // the only one spoken
	Origin    string  `json:"origin,omitempty"`   // the only one welcome

	Fragments int                  `json:"fragments,omitempty"` // for echo
	Code      websocket.StatusCode `json:"code,omitempty"`      // for close
	Reason    string               `json:"reason,omitempty"`    // for close
	Messages  []message            `json:"messages,omitempty"`  // for say
	Data      string               `json:"data,omitempty"`      // for ping
}

// pair is a certificate and its key, as PEM.
type pair struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// theirs starts a server of ws, and returns its ws URL.
func theirs(t *testing.T, ws *node.Peer, l listener) string {
	t.Helper()
	return fmt.Sprintf("ws://127.0.0.1:%d/", node.Call[int](t, ws, "listen", l))
}

// dial connects to a server of ws. It returns the extensions that were agreed on, too.
func dial(t *testing.T, url string, opts *websocket.DialOptions) (c *websocket.Conn, extensions string) {
	t.Helper()
	c, resp, err := websocket.Dial(soon(t), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, resp.Header.Get("Sec-WebSocket-Extensions")
}

// ended is how ws saw the connection end that goes from our side's c to it.
func ended(t *testing.T, ws *node.Peer, c *websocket.Conn) end {
	t.Helper()
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return node.Call[end](t, ws, "ended", map[string]string{"port": port})
}
