// Package tap shows the frames of a connection to those who watch it. It parses once more what the connection has parsed or made
// already, so that a connection that nobody watches has nothing to do for it but to see that.
package tap

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/wire"
)

// MaxPayload is how many bytes of a frame's payload are shown.
const MaxPayload = 4 << 10

// Tap is on one connection. What is received is told it by the goroutine that reads, what is sent by the one that writes.
type Tap struct {
	watchers atomic.Pointer[[]*watcher] // replaced under the lock of the connection
	telling  sync.Mutex                 // held while they are told

	in  received // for the goroutine that reads
	out sent     // for the goroutine that writes
}

// watcher is somebody who watches.
type watcher struct {
	tell func(wire.Frame)
	gone atomic.Bool
}

// Point is the place of a connection for its tap: nil while nobody watches.
type Point struct{ atomic.Pointer[Tap] }

// Add has f told of each frame until stop is called. lock is the connection's, which is not held while f is called.
func (p *Point) Add(lock *sync.Mutex, f func(wire.Frame)) (stop func()) {
	lock.Lock()
	defer lock.Unlock()
	t := p.Load()
	if t == nil {
		t = new(Tap)
		t.watchers.Store(new([]*watcher))
	}
	w := &watcher{tell: f}
	all := append(slices.Clone(*t.watchers.Load()), w)
	t.watchers.Store(&all)
	p.Store(t)
	return func() {
		w.gone.Store(true)
		lock.Lock()
		defer lock.Unlock()
		rest := slices.DeleteFunc(slices.Clone(*t.watchers.Load()), func(other *watcher) bool { return other == w })
		t.watchers.Store(&rest)
		if len(rest) == 0 && p.Load() == t { // a tap that was taken off does not know where it stands, and is not put on again
			p.Store(nil)
		}
	}
}

// tell tells all who watch.
func (t *Tap) tell(f wire.Frame) {
	t.telling.Lock()
	defer t.telling.Unlock()
	for _, w := range *t.watchers.Load() {
		if !w.gone.Load() {
			w.tell(f)
		}
	}
}

// tellCut is tell for a frame whose payload may be long.
func (t *Tap) tellCut(f wire.Frame) {
	if len(f.Payload) > MaxPayload {
		f.Payload = f.Payload[:MaxPayload:MaxPayload]
	}
	t.tell(f)
}

// Bytes tells of bytes that are sent and are no frames: those of a stream. They are not cut.
func (t *Tap) Bytes(b []byte) {
	n := int64(len(b))
	t.tell(wire.Frame{Sent: true, Opcode: wire.Text, Fin: true, Wire: n, Size: n, Payload: b})
}

// Next is m.Next(in), told.
func (t *Tap) Next(m *assemble.Assembler, in []byte) (int, wire.Event, error) {
	t.in.follow(&m.Decoder)
	n, ev, err := m.Next(in)
	plain := ev.Payload
	if ev.Kind != wire.Data || err != nil {
		plain = nil
	}
	t.received(in[:n], plain, ev.Compressed && plain != nil, err != nil)
	return n, ev, err
}

// Piece is d.Next(in), told: of a compressed message the plain form is not known.
func (t *Tap) Piece(d *wire.Decoder, in []byte) (int, wire.Event, error) {
	t.in.follow(d)
	n, ev, err := d.Next(in)
	t.received(in[:n], nil, false, err != nil)
	return n, ev, err
}
