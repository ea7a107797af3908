// Leaving the loop: a connection that goes on with the blocking API.

package loop

import (
	"errors"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
)

// Detach takes the connection off the loop, once the handler that called it has returned and what waits has been written,
// and runs serve with it as a blocking connection, on a goroutine of its own. Nothing is lost: what the peer has sent
// already is read by serve. The handler's Close is not called for it any more; when serve returns the connection is closed
// with 1000 if it is still open. It may be called only from within the handler's Open or Message.
func (c *Conn) Detach(serve func(*websocket.Conn)) error {
	if c.stream {
		return errors.New("websocket: a stream cannot be detached: it is no WebSocket")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() != stateOpen {
		return websocket.ErrClosing
	}
	c.pausing.Store(true)
	c.more().detach = serve
	c.wake()
	return nil
}

// detaching is the function that Detach was called with, or nil.
func (c *Conn) detaching() func(*websocket.Conn) {
	if c.place.aside == nil {
		return nil
	}
	return c.place.detach
}

// goOn runs serve with what the driver has handed back: the connection's line and state.
func (c *Conn) goOn(u *bridge.Upgraded, serve func(*websocket.Conn)) {
	u.Subprotocol = c.Subprotocol()
	u.Deflator, u.WindowBits, u.Inflator = c.deflator, c.windowBits, c.messages.Inflator()
	conn, err := bridge.Blocking(u, &c.server.opts.Accept)
	if err != nil { // the options were read when the server was made
		u.NetConn.Close()
		return
	}
	blocking := conn.(*websocket.Conn)
	serve(blocking)
	blocking.Close(websocket.StatusNormalClosure, "")
}
