// Watching a client's connection.

package line

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// Tap implements [hub.Tapper].
func (l *Line) Tap(f func(hub.Frame)) (stop func(), ok bool) {
	c := l.conn.Load()
	if c == nil {
		return nil, false
	}
	return c.Tap(func(seen websocket.Frame) { f(FrameOf(seen)) }), true
}

// TapEvents is Tap for a line that is an event stream.
func (l *Line) TapEvents(f func(hub.Frame)) (stop func(), ok bool) {
	c := l.conn.Load()
	if c == nil {
		return nil, false
	}
	events := &Events{Tell: f}
	return c.Tap(func(seen websocket.Frame) { events.Write(seen.Payload) }), true
}

// FrameOf is a frame of a WebSocket in the hub's words.
func FrameOf(f websocket.Frame) hub.Frame {
	return hub.Frame{Sent: f.Sent, Opcode: f.Opcode.String(), Fin: f.Fin, RSV1: f.RSV1, Masked: f.Masked, Wire: f.Wire, Size: f.Size, Payload: f.Payload}
}

// Events finds the events in what is written to an event stream. It is for one goroutine.
type Events struct {
	Tell func(hub.Frame)
	part []byte // the first bytes of an event that is not whole yet
	size int64  // bytes of it
	line bool   // what has come ends with a line break
}

var blank = []byte("\n\n")

// Write takes what is written next.
func (e *Events) Write(b []byte) {
	for len(b) > 0 {
		n, whole := e.end(b)
		e.keep(b[:n])
		b = b[n:]
		if whole {
			e.Tell(hub.Frame{Sent: true, Opcode: "event", Fin: true, Wire: e.size, Size: e.size, Payload: e.part})
			e.part, e.size, e.line = e.part[:0], 0, false
		}
	}
}

// end is how many bytes belong to the present event, and whether it ends with them.
func (e *Events) end(b []byte) (n int, whole bool) {
	if e.line && b[0] == '\n' {
		return 1, true
	}
	if at := bytes.Index(b, blank); at >= 0 {
		return at + len(blank), true
	}
	return len(b), false
}

func (e *Events) keep(b []byte) {
	e.size += int64(len(b))
	e.part = append(e.part, b[:min(len(b), websocket.MaxTapped-len(e.part))]...)
	e.line = len(b) > 0 && b[len(b)-1] == '\n'
}

// Taps are those who watch a client that has no line. The zero value is nobody.
type Taps struct {
	some atomic.Bool
	mu   sync.Mutex // guards what follows; held while they are told
	all  []*func(hub.Frame)
}

// Add has f told until stop is called, which f must not do.
func (t *Taps) Add(f func(hub.Frame)) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, &f)
	t.some.Store(true)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for i, other := range t.all {
			if other == &f {
				t.all = append(t.all[:i:i], t.all[i+1:]...)
				t.some.Store(len(t.all) > 0)
				return
			}
		}
	}
}

// Tell tells them.
func (t *Taps) Tell(seen hub.Frame) {
	if !t.some.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.all {
		(*f)(seen)
	}
}
