// A socket as the hub sees it.

package socketio

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// receiver is what a session of the hub delivers to: a socket, without the program seeing the methods that are the hub's.
type receiver Socket

// Receive implements [hub.Receiver].
func (r *receiver) Receive(p *hub.Publication) hub.Reception { return (*Socket)(r).arrived(p) }

// Notify implements [hub.Receiver].
func (r *receiver) Notify(n *hub.Notice) { (*Socket)(r).noticed(n) }

// End implements [hub.Receiver].
func (r *receiver) End(cause error) { (*Socket)(r).ended(cause) }

// Describe implements [hub.Describer]. The transport is Engine.IO, which may go over from polling to a WebSocket; see [Socket.Transport].
func (r *receiver) Describe() hub.Description {
	e := r.conn.engine
	return hub.Description{Transport: "engine.io", Protocol: "socket.io", Remote: e.RemoteAddr(), Waiting: e.Waiting(),
		Carrier: e.Transport(), Compression: e.Compressed()}
}

// Tap implements [hub.Tapper]. Sockets on the same connection show the same frames.
func (r *receiver) Tap(f func(hub.Frame)) (stop func(), ok bool) {
	return r.conn.engine.Tap(func(seen websocket.Frame, polled bool) {
		frame := line.FrameOf(seen)
		if polled {
			frame.Opcode = "poll"
		}
		f(frame)
	}), true
}

// RoundTrip implements [hub.Pinger].
func (r *receiver) RoundTrip(ctx context.Context) (took time.Duration, ok bool) {
	return r.conn.engine.RoundTrip(ctx)
}
