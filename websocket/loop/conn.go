// A connection of a Server: what it holds, and what a program does with it.

package loop

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Conn is a connection of a [Server]. Its methods may be called from any goroutine, also from within the handler. None of
// them waits for the network.
type Conn struct {
	// Data is the program's own. The handler may set it in Open; after that it is the program's to guard.
	Data any

	server *Server
	driver driver
	place  place // for the event loop

	drainedAt int32  // for NotifyDrained, guarded by mu; here it fills a gap
	aside     *aside // nil for a plain connection whose handler has not paused it

	// The fields are in an order that leaves no gaps: 352 bytes are a size class of the allocator.

	// For the goroutine that receives.
	messages   assemble.Assembler
	controlsAt tick // when the budget of control frames was last filled

	slot        uint16 // in the wheel
	windowBits  uint8  // of the deflator
	subprotocol uint8  // index in the server's list, plus one; 0 is none

	deflator         *deflate.Deflator // for the goroutine that writes
	prev, nextInSlot *Conn             // in the wheel
	next             *Conn             // in the loop's list of those with something to do

	state      atomic.Uint32 // of connState; changes under mu
	heard      atomic.Bool   // something has come since the last look
	pausing    atomic.Bool   // by Go: the handler is not to be called
	unfinished atomic.Uint32 // tick at which the unfinished message was begun, 0 if there is none

	mu      sync.Mutex // guards what follows, down to counted
	since   tick       // when the state was entered, or the peer was last heard
	pinged  tick       // when the ping went out that was not answered; 0 if none
	moved   tick       // when bytes last left while the peer was slow; 0 if it is not
	resumed bool       // Go's function has returned
	queued  bool       // the driver knows that there is something to do
	shut    bool       // our direction is closed
	owed    uint8      // pongs that wait
	out     outbox
	err     error // why it has ended
	closing wire.Closing
	awaits  bool  // NotifyDrained was called, and what waits is more than it asked for
	drained bool  // what waits has become little enough: the handler's Drained is due
	counted int32 // of what waits, in the server's counters; 0 while the peer keeps up

	// For the goroutine that calls the handler.
	told    bool // the handler's Close was called
	left    bool // the driver has forgotten the connection
	inWheel bool // for the driver
	stream  bool // made by Server.Stream: no WebSocket, only written to
}

// connState is where a connection is in its life.
type connState uint32

const (
	stateOpen      connState = iota
	stateClosing             // our Close frame was sent first: messages are still read, none are written
	stateLingering           // it has ended for the program; the line waits for the peer to read our last words
	stateGone                // the line is closed
)

func (c *Conn) at() connState { return connState(c.state.Load()) }

// driver moves a connection's bytes. The event loop is one, goroutines are the other.
type driver interface {
	// wake makes the driver call work soon, on the goroutine that writes. Called under the connection's lock, once until
	// work begins.
	wake(c *Conn)
	remoteAddr(c *Conn) net.Addr
	localAddr(c *Conn) net.Addr
}

func (c *Conn) init(s *Server, d driver, u *bridge.Upgraded) {
	c.server, c.driver = s, d
	c.deflator, c.windowBits = u.Deflator, u.WindowBits
	c.subprotocol = uint8(slices.Index(s.opts.Accept.Subprotocols, u.Subprotocol) + 1)
	c.messages.Init(wire.Server, s.set.Limits, u.Inflator)
	c.since = s.now()
}

// Subprotocol is the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string {
	if c.subprotocol == 0 {
		return ""
	}
	return c.server.opts.Accept.Subprotocols[c.subprotocol-1]
}

// RemoteAddr is the peer's network address, or nil once the connection is gone.
func (c *Conn) RemoteAddr() net.Addr { return c.driver.remoteAddr(c) }

// LocalAddr is this side's network address, or nil once the connection is gone.
func (c *Conn) LocalAddr() net.Addr { return c.driver.localAddr(c) }

// Waiting is how many bytes wait to be written: how far the peer lags behind. It counts as [Outbox].Bytes does, what is in the
// middle of a write as well, and what the operating system has taken not any more: 0 means that all has been written.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.held() + int(c.out.leaving)
}

// Err is why the connection has ended, as the handler's Close was told, or nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Write queues a message. The payload is copied, and the caller's again when Write returns. Messages leave in the order in
// which they were queued. What is written from within a handler leaves when the loop has served everybody who was ready.
//
// The error is [websocket.ErrClosing] or wraps [net.ErrClosed] once nothing may be written any more. A full outbox is no
// error: the policy of [Options.Outbox] deals with it.
func (c *Conn) Write(typ websocket.MessageType, payload []byte) error {
	return c.WriteKey(typ, payload, "")
}

// WriteKey is Write with a key for the policy [Conflate].
func (c *Conn) WriteKey(typ websocket.MessageType, payload []byte, key string) error {
	if typ != websocket.Text && typ != websocket.Binary || c.stream {
		return c.unwritable(typ)
	}
	op := wire.Opcode(typ)
	c.mu.Lock()
	if c.at() != stateOpen {
		c.mu.Unlock()
		return websocket.ErrClosing
	}
	if c.deflator != nil && len(payload) >= c.server.set.Threshold {
		b := append(buffers.Get(len(payload)), payload...)
		return c.queue(item{b: b, owned: true, op: op, key: key})
	}
	h := wire.Header{Fin: true, Opcode: op, Length: uint64(len(payload))}
	now := c.server.now()
	if last := c.mayShare(len(payload), now); last != nil {
		before := len(last.b)
		last.b = append(wire.AppendHeader(last.b, h), payload...)
		last.size += int32(len(last.b) - before)
		last.count++
		c.out.bytes += len(last.b) - before
		return c.settle()
	}
	b := append(wire.AppendHeader(buffers.Get(wire.MaxHeaderSize+len(payload)), h), payload...)
	return c.queue(item{b: b, owned: true, key: key})
}

// unwritable is why a message of this type cannot be written.
func (c *Conn) unwritable(typ websocket.MessageType) error {
	if c.stream {
		return errors.New("websocket: messages cannot be written to a stream; use Send")
	}
	return fmt.Errorf("websocket: message type %d: use Text or Binary", typ)
}

// WritePrepared queues a message that many connections share. Nothing is copied or encoded.
func (c *Conn) WritePrepared(m *websocket.PreparedMessage) error { return c.WritePreparedKey(m, "") }

// WritePreparedKey is WritePrepared with a key for the policy [Conflate].
func (c *Conn) WritePreparedKey(m *websocket.PreparedMessage, key string) error {
	if c.stream {
		return c.unwritable(websocket.Text)
	}
	frame := frameOf(m)
	c.mu.Lock()
	if c.at() != stateOpen {
		c.mu.Unlock()
		return websocket.ErrClosing
	}
	if c.deflator != nil && len(frame) >= c.server.set.Threshold {
		return c.queue(item{made: m, key: key})
	}
	return c.queue(item{b: frame, key: key})
}

func frameOf(m *websocket.PreparedMessage) []byte { return bridge.Frame(m) }

// mayShare is a buffer in the outbox that has room for n bytes of payload more. Messages that a policy may drop one by one
// do not share.
func (c *Conn) mayShare(n int, now tick) *item {
	if o := &c.server.opts.Outbox; o.Policy != Disconnect || c.out.held()+n > o.Bytes {
		return nil
	}
	return c.out.room(wire.MaxHeaderSize+n, now)
}

// queue adds it to the outbox. It is called with the lock, and gives it up.
func (c *Conn) queue(it item) error {
	it.at = c.server.now()
	if c.server.opts.Outbox.Policy != Disconnect && c.out.length() >= few {
		it.trim()
	}
	if it.key != "" && c.server.opts.Outbox.Policy == Conflate {
		old, ok := c.out.conflate(it)
		old.free()
		err := c.settle()
		if ok {
			c.dropped(Drop{Messages: 1, Bytes: int(old.size), Conflated: true})
		}
		return err
	}
	c.out.add(it)
	return c.settle()
}

// settle holds the outbox to its bounds and tells the driver. It is called with the lock, and gives it up.
func (c *Conn) settle() error {
	var drop Drop
	if limit := c.server.opts.Outbox.Bytes; c.out.held() > limit && c.out.length() > 1 {
		if c.server.opts.Outbox.Policy == Disconnect {
			drop = c.overflow(fmt.Sprintf("slow consumer: %d bytes wait to be read, the limit is %d", c.out.held(), limit))
		} else {
			drop.Messages, drop.Bytes = c.out.dropOldest(limit)
		}
	}
	if c.counted != 0 || c.moved != 0 {
		c.count()
	}
	c.wake()
	c.mu.Unlock()
	c.dropped(drop)
	return nil
}

// count corrects the server's counter of what waits. It is called with the lock, and only for connections whose peer is slow: the
// others have nothing waiting for longer than a moment, and shall not all write to one counter.
func (c *Conn) count() {
	c.recount(int32(c.out.held()) + c.out.leaving)
}

// recount is count when so many bytes wait.
func (c *Conn) recount(waiting int32) {
	if waiting != c.counted {
		c.server.stats.waiting.Add(int64(waiting - c.counted))
		c.counted = waiting
	}
}

// overflow closes a connection whose peer is too slow. What waits is dropped, and the peer told with 1013 if it reads
// that far. Called with the lock.
func (c *Conn) overflow(reason string) (drop Drop) {
	drop.Messages, drop.Bytes = c.out.clear(true)
	c.finish(websocket.StatusTryAgainLater, reason, fmt.Errorf("%w: %s", ErrSlowConsumer, reason))
	return drop
}

// wake tells the driver that there is something to do. Called with the lock, after every change.
func (c *Conn) wake() {
	if c.awaits {
		c.checkDrained()
	}
	if !c.queued {
		c.queued = true
		c.driver.wake(c)
	}
}

func (c *Conn) dropped(d Drop) {
	if d.Messages == 0 {
		return
	}
	c.server.stats.dropped.Add(uint64(d.Messages))
	if f := c.server.handler.Dropped; f != nil {
		f(c, d)
	}
}
