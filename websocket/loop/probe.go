// Probes: a ping whose answer is timed, for whoever looks at a connection. Keep-alive needs none.

package loop

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/wire"
)

// probe is a ping that waits for its answer. It does not change once it is sent.
type probe struct {
	payload [8]byte // which no peer has made up
	sent    time.Time
	took    time.Duration // set before done is closed
	done    chan struct{}
}

// RoundTrip sends a ping behind what waits to be written, and returns how long its answer took. ok is false if none came before ctx
// ended, if the connection is closing, and for streams. Those who ask at the same time share a ping.
func (c *Conn) RoundTrip(ctx context.Context) (took time.Duration, ok bool) {
	p := c.probe()
	if p == nil {
		return 0, false
	}
	select {
	case <-p.done:
		return p.took, true
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if r := c.rare(); r.probe == p {
			r.probe = nil
		}
		return 0, false
	}
}

// probe is the one under way, or one that it sends; nil if nothing can be sent.
func (c *Conn) probe() *probe {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream || c.at() != stateOpen {
		return nil
	}
	r := c.needRare()
	if r.probe != nil {
		return r.probe
	}
	p := &probe{sent: time.Now(), done: make(chan struct{})}
	rand.Read(p.payload[:])
	frame := wire.AppendControl(buffers.Get(wire.MaxHeaderSize+len(p.payload)), wire.Server, wire.Ping, p.payload[:])
	c.out.Add(outbox.Item{Bytes: frame, Owned: true, Kind: outbox.Control, At: c.server.now()})
	c.wake()
	r.probe = p
	return p
}

// answered takes the payload of a pong.
func (c *Conn) answered(payload []byte) {
	if c.rare() == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rare(); r.probe != nil && string(payload) == string(r.probe.payload[:]) {
		r.probe.took = time.Since(r.probe.sent)
		close(r.probe.done)
		r.probe = nil
	}
}
