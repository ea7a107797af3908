// Panics of the program's functions: they end their connection and nothing else.

package loop

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/ringdown/ringdown/websocket"
)

// guard calls a function of the program's. If it panics, the connection is closed and the server goes on.
func (c *Conn) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
		}
	}()
	f()
}

// panicked ends the connection whose handler has panicked. The deferred function that has recovered calls it, while the stack
// is still there.
func (c *Conn) panicked(p any) {
	if p == http.ErrAbortHandler {
		c.CloseNow()
		return
	}
	peer := "unknown"
	if addr := c.RemoteAddr(); addr != nil {
		peer = addr.String()
	}
	c.server.opts.Log.Error("websocket: a handler panicked", "peer", peer, "panic", p, "stack", string(debug.Stack()))
	c.fail(websocket.StatusInternalError, "", fmt.Errorf("websocket: the handler panicked: %v", p))
}
