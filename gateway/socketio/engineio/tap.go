// Watching what passes on a session, whatever its transport.

package engineio

import (
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// watch is somebody who watches a session. Those who do while its transport is polling are a list. The session's lock guards it.
type watch struct {
	tell func(f websocket.Frame, polled bool)
	next *watch
	stop func() // of the WebSocket; nil while the transport is polling
	over bool
}

// Tap has f called with what passes until stop is called: with the frames of the WebSocket, as [loop.Conn.Tap] has it, and while the transport
// is polling with the payloads of its requests and answers, as text frames with polled. f must not wait, and not use the session; the frame's
// payload is lent. The WebSocket of an upgrade is shown from when it is the transport.
func (c *Conn) Tap(f func(seen websocket.Frame, polled bool)) (stop func()) {
	w := &watch{tell: f}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polling != nil {
		w.next = c.polling.watch
		c.polling.watch = w
	} else {
		w.goOn(c.socket)
	}
	return func() { c.untap(w) }
}

// goOn has all of a list watch a WebSocket from now on. It is called with the lock.
func (w *watch) goOn(socket *loop.Conn) {
	for ; w != nil; w = w.next {
		if !w.over && socket != nil {
			tell := w.tell
			w.stop = socket.Tap(func(f websocket.Frame) { tell(f, false) })
		}
	}
}

func (c *Conn) untap(w *watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.over = true
	if w.stop != nil {
		w.stop()
	}
	if c.polling != nil {
		for at := &c.polling.watch; *at != nil; at = &(*at).next {
			if *at == w {
				*at = w.next
				break
			}
		}
	}
}

// tapPolled shows the payload of a request or an answer, which took so many bytes.
func (c *Conn) tapPolled(p *polling, sent bool, length int, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.watch == nil {
		return
	}
	f := websocket.Frame{Sent: sent, Opcode: wire.Opcode(websocket.Text), Fin: true, Wire: int64(length), Size: int64(len(payload)),
		Payload: payload[:min(len(payload), websocket.MaxTapped)]}
	for w := p.watch; w != nil; w = w.next {
		if !w.over {
			w.tell(f, true)
		}
	}
}
