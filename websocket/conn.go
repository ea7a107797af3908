// The connection: what it holds, and how it ends.

package websocket

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/line"
	"github.com/ringdown/ringdown/websocket/internal/tap"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// MessageType tells text from binary.
type MessageType uint8

// The two types of message. Text is UTF-8: what is received as Text has been checked to be, and what is written as Text
// must be, or the peer closes the connection with 1007.
const (
	Text   MessageType = MessageType(wire.Text)
	Binary MessageType = MessageType(wire.Binary)
)

func (t MessageType) String() string { return wire.Opcode(t).String() }

// Conn is a WebSocket connection. It comes from [Accept], [Handler] or [Dial].
//
// One goroutine at a time may read. All other methods may be called from any goroutine at any time.
//
// Somebody must be reading for pings to be answered, for [Conn.Ping] and keep-alive to hear the answers, and for the
// peer's Close frame to be noticed; a program that only writes calls [Conn.CloseRead]. A connection must be closed, with
// [Conn.Close] or [Conn.CloseNow], unless a read has returned an error that is not its context's.
type Conn struct {
	line        line.Line
	set         *settings
	subprotocol string
	windowBits  uint8     // of the deflator
	tap         tap.Point // nil while nobody watches; changes under mu

	// For the goroutine that has the turn to read.
	readTurn   turn.Turn
	in         []byte // received and not decoded yet; lies in the line's buffer
	lent       bool   // a loop of Messages still uses the payload handed up last
	messages   assemble.Assembler
	stream     *messageReader // the message that is being read as a stream
	received   uint32         // messages so far, for the watch
	heard      uint32         // reads that brought bytes so far, for the watch
	controlsAt int64          // when the budget of control frames was last filled, in Unix nanoseconds

	// For the goroutine that has the turn to write.
	writeTurn turn.Turn
	closing   wire.Closing
	deflator  *deflate.Deflator // nil if compression was not agreed on
	out       []byte            // frames held back by a cork

	corked  atomic.Bool   // by Cork
	burst   atomic.Bool   // CorkBursts: the reader still has bytes to hand out
	waiting atomic.Uint32 // what somebody must still write: bits of due
	reading atomic.Uint64 // what the reader is at, for the watch

	over    atomic.Bool // err is set
	leaving atomic.Bool // Close or CloseNow was called
	mu      sync.Mutex  // guards what follows
	err     error       // why the connection has ended; nil while it has not
	ended   chan struct{}
	peer    *CloseError // the peer's Close frame
	pings   map[uint64]chan struct{}
	pongs   []byte // answers to pings, as frames
	owed    int    // how many
	watch   *watch
}

// Bits of Conn.waiting.
const (
	duePongs uint32 = 1 << iota // pongs holds frames
	dueOut                      // out holds frames
)

// newConn makes a connection of one on which the handshake is over.
func newConn(u *bridge.Upgraded, set *settings) *Conn {
	c := &Conn{set: set, subprotocol: u.Subprotocol, in: u.Early, deflator: u.Deflator, windowBits: u.WindowBits}
	c.line.Init(u.NetConn)
	c.messages.Init(set.role, &set.limits, u.Inflator)
	c.watch = startWatch(c)
	return c
}

// Subprotocol is the subprotocol that was agreed on, or "" (RFC 6455 §1.9).
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Compressed reports whether permessage-deflate was agreed on.
func (c *Conn) Compressed() bool { return c.deflator != nil }

// LocalAddr is this side's network address.
func (c *Conn) LocalAddr() net.Addr { return c.line.NetConn().LocalAddr() }

// RemoteAddr is the peer's network address: of a proxy, if there is one between.
func (c *Conn) RemoteAddr() net.Addr { return c.line.NetConn().RemoteAddr() }

// Done returns a channel that is closed once the connection has ended, for whatever cause; [Conn.Err] tells it.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = make(chan struct{})
		if c.err != nil {
			close(c.ended)
		}
	}
	return c.ended
}

// Err is why the connection has ended, or nil while it has not: a [*CloseError] once the peer's Close frame has come,
// whoever closed first; a [*ProtocolError] if the peer broke the protocol or a limit; [ErrClosed] if this side closed it
// without hearing from the peer; [ErrKeepAlive], [ErrWriteTimeout], or an error of the network.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// PeerStatus is the code and reason of the peer's Close frame; ok is false if none has come.
func (c *Conn) PeerStatus() (code StatusCode, reason string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer == nil {
		return 0, "", false
	}
	return c.peer.Code, c.peer.Reason, true
}

// end records why the connection has ended. Only the first cause counts: it is returned, and whether it was this one.
func (c *Conn) end(err error) (cause error, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err, false
	}
	if c.peer != nil { // whatever has failed since, in answering it or beside
		err = c.peer
	}
	c.err = err
	c.over.Store(true)
	if c.ended != nil {
		close(c.ended)
	}
	c.pings = nil
	c.watch.stop()
	c.writeTurn.Break()
	return err, true
}

// drop ends the connection for err and closes the line beneath at once. It returns why the connection has ended.
func (c *Conn) drop(err error) error {
	err, first := c.end(err)
	if first { // else whoever ended it closes the line, perhaps after lingering
		c.line.Close()
	}
	return err
}

// lingering is how long the line stays open after the last Close frame, for the peer to read it.
const lingering = time.Second

// part ends the connection for err after the Close frames have gone. The line stays for at most a second, until the
// peer has closed it: see [line.Line.Linger].
func (c *Conn) part(err error) error {
	err, first := c.end(err)
	if first {
		go c.line.Linger(lingering)
	}
	return err
}

// lost gives an error of the line its words. A line that ends without a Close frame is io.ErrUnexpectedEOF, never io.EOF: what
// came before may have been cut short.
func lost(err error) error {
	if err == io.EOF {
		return &lostError{"websocket: the peer closed the line without a Close frame", io.ErrUnexpectedEOF}
	}
	return &lostError{"websocket: connection lost: " + err.Error(), err}
}

type lostError struct {
	text  string
	cause error
}

func (e *lostError) Error() string { return e.text }
func (e *lostError) Unwrap() error { return e.cause }
