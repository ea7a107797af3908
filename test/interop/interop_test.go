// Package interop holds our server and our client against the ws library of Node, over real sockets: ws is strict, much
// used, and shares no line with ours.
//
// The tests with Server in their names have ws as the client of our server (client.js), those with Client have our
// client at a server of ws (server.js).
package interop

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

func TestMain(m *testing.M) { os.Exit(node.Run(m)) }

// options are options of ws, by their names there.
type options map[string]any

// deflate are ws options that compress every message, with the parameters given.
func deflate(params options) options {
	all := options{"threshold": 0}
	for name, value := range params {
		all[name] = value
	}
	return options{"perMessageDeflate": all}
}

// end is how ws saw a connection end.
type end struct {
	Code   websocket.StatusCode `json:"code"`
	Reason string               `json:"reason"`
	Error  string               `json:"error"` // the error event, if there was one
}

// ours starts a server of ours for the test, and returns its ws URL.
func ours(t *testing.T, serve func(*websocket.Conn), opts *websocket.AcceptOptions) string {
	t.Helper()
	s := httptest.NewServer(websocket.Handler(serve, opts))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// soon is a context for what should take milliseconds.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// echo sends every message back, until the peer closes.
func echo(t *testing.T) func(*websocket.Conn) {
	return func(c *websocket.Conn) {
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				t.Errorf("echo server: %v", err)
				return
			}
			if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
				t.Errorf("echo server: %v", err)
				return
			}
		}
	}
}

// listen reads, and says nothing, until the connection ends.
func listen(c *websocket.Conn) {
	for range c.Messages(context.Background()) {
	}
}

// checkEnd compares how ws saw a connection end.
func checkEnd(t *testing.T, got end, code websocket.StatusCode, reason string) {
	t.Helper()
	if got.Code != code || got.Reason != reason || got.Error != "" {
		t.Errorf("ws saw the end %+v, want code %d and reason %q", got, code, reason)
	}
}

// checkClosed checks that err is the peer's Close frame.
func checkClosed(t *testing.T, err error, code websocket.StatusCode, reason string) {
	t.Helper()
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code != code || closed.Reason != reason {
		t.Errorf("our side saw the end %v, want code %d and reason %q", err, code, reason)
	}
}

// checkLost checks that err is an end without a Close frame.
func checkLost(t *testing.T, c *websocket.Conn, err error) {
	t.Helper()
	if err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("our side saw the end %v, want a lost connection", err)
	}
	if code, reason, ok := c.PeerStatus(); ok {
		t.Errorf("PeerStatus has %d %q, and no Close frame came", code, reason)
	}
}

// checkViolation checks that err is our side's refusal of what the peer did.
func checkViolation(t *testing.T, err error, code websocket.StatusCode) {
	t.Helper()
	violation, ok := errors.AsType[*websocket.ProtocolError](err)
	if !ok || violation.Code != code {
		t.Errorf("our side ended with %v, want a violation that closes with %d", err, code)
	}
}
