// Watching the frames of a connection.

package loop

import (
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/tap"
)

// Tap is [websocket.Conn.Tap] for a connection of a [Server]: f is called with each frame that comes, before the handler is, and with each that
// goes, when its turn to be written has come, until stop is called. The goroutines that call it are the event loop's: f holds up every connection of
// the loop. It must not wait, and not use the connection.
//
// What goes to a stream has no frames: f is called with the bytes of each thing that is written, uncut, as a text frame of that size.
//
// A connection that is detached has no tap any more.
func (c *Conn) Tap(f func(websocket.Frame)) (stop func()) {
	c.mu.Lock()
	at := &c.needRare().tap
	c.mu.Unlock()
	return at.Add(&c.mu, f)
}

// tapped is the connection's tap, or nil.
func (c *Conn) tapped() *tap.Tap {
	if r := c.rare(); r != nil {
		return r.tap.Load()
	}
	return nil
}

// encodeTapped makes bytes of what was taken, and shows it.
func (c *Conn) encodeTapped(e *outbox.Encoder, with outbox.Compressor, t *tap.Tap) []byte {
	return e.EncodeTold(with, func(b, plain []byte) {
		if c.stream {
			t.Bytes(b)
		} else {
			t.Sent(b, plain)
		}
	})
}
