// A connection of a Server: what it holds, and what a program does with it.

package loop

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/tap"
	"github.com/ringdown/ringdown/websocket/internal/tlsshim"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
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

	// Guarded by mu.
	closing wire.Closing
	awaits  bool // NotifyDrained was called, and what waits is more than it asked for
	drained bool // what waits has become little enough: the handler's Drained is due

	extras atomic.Pointer[rare] // nil for a connection that needs nothing of it; set under mu

	// The fields are in an order that leaves no gaps: 352 bytes are a size class of the allocator.

	// For the goroutine that receives.
	messages   assemble.Assembler
	controlsAt wheel.Tick // when the budget of control frames was last filled

	windowBits  uint8 // of the deflator
	subprotocol uint8 // index in the server's list, plus one; 0 is none
	stream      bool  // made by Server.Stream: no WebSocket, only written to
	closeCalled bool  // the handler's Close was called; of the goroutine that calls the handler

	deflator *deflate.Deflator // for the goroutine that writes
	due      wheel.Place[Conn] // for the owner of the wheel
	next     *Conn             // in the loop's list of those with something to do

	state      atomic.Uint32 // of connState; changes under mu
	active     atomic.Bool   // something has come since the last look; on a stream: has been sent
	pausing    atomic.Bool   // set by Go and Detach, cleared by the driver: the handler is not to be called
	unfinished atomic.Uint32 // tick at which the unfinished message was begun, 0 if there is none

	mu         sync.Mutex // guards what follows
	since      wheel.Tick // when the state was entered; while it is open, when the connection was last active
	pinged     wheel.Tick // when the ping went out that was not answered; 0 if none
	blocked    wheel.Tick // when bytes last left while the peer was slow; 0 if it is not. Set by who writes, and read by him without mu
	resumed    bool       // set when Go's function has returned, cleared by the driver
	queued     bool       // the driver knows that there is something to do
	halfClosed bool       // our direction is closed
	owed       uint8      // pongs that wait
	out        outbox.Queue
	err        error // why it has ended
}

// rare is what few connections need, kept apart so that the many do not carry it. The driver's goroutine owns it but for what
// says otherwise.
type rare struct {
	rest     []byte        // received and not handed to the handler yet: it has paused, or the connection is new
	unhooked bool          // not in epoll: the peer has hung up while the handler paused
	tls      *tlsshim.Shim // nil for plain connections

	remote    net.Addr              // the peer's, where the kernel does not know it: a proxy has told
	heartbeat string                // of a stream
	detach    func(*websocket.Conn) // set by Detach; guarded by mu, as what follows

	untold  [2]Drop // what the handler's Dropped was not told of: dropped, conflated
	telling bool    // Dropped is being called

	tap tap.Point // nil while nobody watches; changes under mu

	probe *probe // of RoundTrip; nil if none is under way; guarded by mu

	drainedAt int   // of NotifyDrained
	counted   int64 // of what waits, in the server's counters; 0 while the peer keeps up
}

// needRare is the connection's rare, which it has from now on. Called with the lock, once the connection is anybody else's.
func (c *Conn) needRare() *rare {
	if c.rare() == nil {
		c.extras.Store(new(rare))
	}
	return c.rare()
}

// rare is what few connections need, of this one; nil is nothing.
func (c *Conn) rare() *rare { return c.extras.Load() }

// secure reports whether the connection is TLS on the loop.
func (c *Conn) secure() bool { return c.rare() != nil && c.rare().tls != nil }

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
	c.since, c.controlsAt = s.now(), s.now()
}

// Subprotocol is the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string {
	if c.subprotocol == 0 {
		return ""
	}
	return c.server.opts.Accept.Subprotocols[c.subprotocol-1]
}

// Compressed reports whether messages to the peer may be compressed.
func (c *Conn) Compressed() bool { return c.windowBits > 0 }

// RemoteAddr is the peer's network address, or nil once the connection is gone.
func (c *Conn) RemoteAddr() net.Addr { return c.driver.remoteAddr(c) }

// LocalAddr is this side's network address, or nil once the connection is gone.
func (c *Conn) LocalAddr() net.Addr { return c.driver.localAddr(c) }

// Waiting is how many bytes wait to be written: how far the peer lags behind. It counts as [Outbox].Bytes does, what is in the
// middle of a write as well, and what the operating system has taken not any more: 0 means that all has been written.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Unwritten()
}

// Err is why the connection has ended, as the handler's Close was told, or nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
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
