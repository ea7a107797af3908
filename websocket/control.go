// Control frames: pings and their answers, and the peer's Close.

package websocket

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// maxOwed is how many pings can wait for their answers at once. Past it only the newest is answered, as RFC 6455 §5.5.3
// allows: a peer that floods and does not read costs no more than this.
const maxOwed = 32

// Ping sends a ping and waits for the answer. It returns the time between: the round trip, through both programs.
// Somebody must be reading meanwhile.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	id := rand.Uint64()
	answered := make(chan struct{})
	if err := c.expectPong(id, answered); err != nil {
		return 0, err
	}
	defer c.forgetPong(id)
	start := time.Now()
	if err := c.sendControl(ctx, wire.Ping, binary.BigEndian.AppendUint64(nil, id)); err != nil {
		return 0, err
	}
	select {
	case <-answered:
		return time.Since(start), nil
	case <-c.Done():
		return 0, c.Err()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c *Conn) expectPong(id uint64, answered chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return &refusedError{c.err}
	}
	if c.pings == nil {
		c.pings = make(map[uint64]chan struct{})
	}
	c.pings[id] = answered
	return nil
}

func (c *Conn) forgetPong(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pings, id)
}

// sendControl writes a ping. No cork holds it back.
func (c *Conn) sendControl(ctx context.Context, op wire.Opcode, payload []byte) error {
	if err := c.writeTurn.Take(ctx, turn.Inner); err != nil {
		return err
	}
	return c.writeControl(ctx, op, payload)
}

// writeControl is sendControl for the holder of the turn, who loses it.
func (c *Conn) writeControl(ctx context.Context, op wire.Opcode, payload []byte) error {
	defer c.give(turn.Same)
	if !c.closing.MaySend() {
		return c.refusal()
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	buf := wire.AppendControl(buffers.Get(wire.MaxHeaderSize+len(payload)), c.set.role, op, payload)
	defer buffers.Put(buf)
	c.tapSent(buf)
	return c.send(ctx, buf, true)
}

// control acts on a control frame that the reader met. Its error is the end of the connection.
func (c *Conn) control(ev *wire.Event) error {
	switch ev.Kind {
	case wire.PingIn:
		c.owePong(ev.Payload)
		c.writeDue()
	case wire.PongIn:
		c.answered(ev.Payload)
	case wire.ClosedIn:
		return c.peerClosed(ev.Code, string(ev.Payload))
	}
	return nil
}

// owePong queues the answer to a ping. The reader never waits for a turn to write: a program stuck in a long write must
// go on reading, or two such peers would wait for each other.
func (c *Conn) owePong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owed >= maxOwed {
		c.pongs, c.owed = c.pongs[:0], 0
	}
	if c.pongs == nil {
		c.pongs = buffers.Get(wire.MaxHeaderSize + len(payload))
	}
	c.pongs = wire.AppendControl(c.pongs, c.set.role, wire.Pong, payload)
	c.owed++
	c.waiting.Or(duePongs)
}

// takePongs moves the answers that are owed behind the frames held back, for the holder of the turn. It reports whether
// there were any.
func (c *Conn) takePongs() bool {
	c.mu.Lock()
	pongs := c.pongs
	c.pongs, c.owed = nil, 0
	c.waiting.And(^duePongs)
	c.mu.Unlock()
	if pongs != nil && c.closing.MaySend() {
		c.tapSent(pongs)
		c.hold(buffers.Append(c.out, pongs))
	}
	buffers.Put(pongs)
	return pongs != nil
}

// answered ends the Ping whose answer this is. A pong that nobody waits for is a heartbeat (RFC 6455 §5.5.3).
func (c *Conn) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if answered := c.pings[id]; answered != nil {
		close(answered)
		delete(c.pings, id)
	}
}
