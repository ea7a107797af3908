// Watching the frames of a connection.

package websocket

import (
	"github.com/ringdown/ringdown/websocket/internal/tap"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Frame is a frame that passes on a connection, as [Conn.Tap] shows it.
type Frame = wire.Frame

// MaxTapped is how many bytes of a frame's payload a tap shows.
const MaxTapped = tap.MaxPayload

// Tap has f called with each frame that comes and goes, data and control frames alike, until stop is called: for debugging. It may be called
// at any time, several times at once as well. A frame is shown once it has come whole, or as it is handed to the line; in the middle
// of which the connection is now, it is left out. The last that is shown of a peer that breaks the protocol is what came of the frame that did.
//
// f is called by the goroutines that read and write, one at a time, and holds them up: it should hand on what it wants to keep, and must not
// use the connection. The frame's Payload is lent until f returns, and cut at MaxTapped bytes. f may call stop; a call that is
// under way when another goroutine does may still end after it.
//
// A connection without a tap spends nothing on it but to see that there is none.
func (c *Conn) Tap(f func(Frame)) (stop func()) { return c.tap.Add(&c.mu, f) }

// tapSent shows whole frames that are about to be sent, for the holder of the turn. They are not compressed.
func (c *Conn) tapSent(frames []byte) {
	if t := c.tap.Load(); t != nil {
		t.Sent(frames, nil)
	}
}
