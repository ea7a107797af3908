// A session: what it holds, and how messages leave.

package engineio

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Conn is a session. Its methods may be called from any goroutine, also from within the handler, but for what says otherwise. None of
// them waits for the network.
type Conn struct {
	// Data is the program's own. It is what Options.Allow has returned; the handler may set it in Open. After that it is the program's to
	// guard.
	Data any

	server    *Server
	id        string
	handshake *Handshake
	beat      beat // guarded by the heartbeats' lock

	// The turn is held while the handler is called, and while a function of Go runs. aside is owned by who holds it, as told is.
	turn  turn
	aside func() // given to Go by the call of the handler that is under way
	told  bool   // the handler's Close was called
	deaf  atomic.Bool
	away  atomic.Bool // nobody reads what the client sends, so that it cannot be blamed for its silence

	mu        sync.Mutex // guards what follows, and decides where each packet goes
	ended     bool
	pinged    bool       // a ping was sent, and no pong came yet
	socket    *loop.Conn // nil while the transport is polling
	polling   *polling   // nil while it is not
	seq       uint64     // of the last message
	atPing    uint64     // seq when the last ping was sent
	confirmed uint64     // atPing of the last ping that was answered
}

// ID is the session's id. It is a secret: whoever knows it owns the session.
func (c *Conn) ID() string { return c.id }

// Handshake is what is known of the request that began the session.
func (c *Conn) Handshake() *Handshake { return c.handshake }

// Transport is "polling" or "websocket".
func (c *Conn) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polling != nil {
		return transportPolling
	}
	return transportWebSocket
}

// Upgraded reports whether the session began with polling and goes on over a WebSocket.
func (c *Conn) Upgraded() bool { return c.handshake.Polling && c.Transport() == transportWebSocket }

// RemoteAddr is the client's network address, in the form of [net/http.Request].RemoteAddr; of a proxy, if there is one between.
func (c *Conn) RemoteAddr() string {
	c.mu.Lock()
	socket := c.socket
	c.mu.Unlock()
	if socket != nil {
		if address := socket.RemoteAddr(); address != nil {
			return address.String()
		}
	}
	return c.handshake.RemoteAddr
}

// RoundTrip tells how long a ping of the WebSocket takes to be answered; see [loop.Conn.RoundTrip]. ok is also false while the client
// polls.
func (c *Conn) RoundTrip(ctx context.Context) (took time.Duration, ok bool) {
	c.mu.Lock()
	socket := c.socket
	c.mu.Unlock()
	if socket == nil {
		return 0, false
	}
	return socket.RoundTrip(ctx)
}

// Compressed reports whether messages to the client may be compressed.
func (c *Conn) Compressed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket != nil && c.socket.Compressed()
}

// Send sends a message. The payload is copied. Text must be UTF-8 without the character U+001E, which polling cannot carry. seq counts
// the session's messages from 1; see [Conn.Confirmed]. The error is [ErrClosed], or wraps it.
//
// A client for which more than Options.OutboxBytes wait is cut; that is no error of Send.
func (c *Conn) Send(binary bool, p []byte) (seq uint64, err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return 0, ErrClosed
	}
	fits := true
	if c.socket != nil {
		err = writeMessage(c.socket, binary, p)
	} else {
		fits = c.polling.add(outgoing{bytes: packetOf(binary, p), binary: binary})
	}
	return c.sent(fits, err)
}

// SendPrepared sends a message that many sessions share. It is like [Conn.Send], and copies nothing.
func (c *Conn) SendPrepared(m *Message) (seq uint64, err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return 0, ErrClosed
	}
	fits := true
	if c.socket != nil {
		err = m.write(c.socket)
	} else {
		fits = c.polling.add(outgoing{shared: m})
	}
	return c.sent(fits, err)
}

// sent counts a message that was written or refused. It is called with the lock, and gives it up.
func (c *Conn) sent(fits bool, err error) (uint64, error) {
	if err != nil {
		c.mu.Unlock()
		return 0, errors.Join(ErrClosed, err)
	}
	c.seq++
	seq := c.seq
	c.mu.Unlock()
	if !fits {
		c.overflow()
	}
	return seq, nil
}

// packetOf is a message as it waits for a GET.
func packetOf(binary bool, p []byte) []byte {
	if binary {
		return append(make([]byte, 0, len(p)), p...)
	}
	return append(append(make([]byte, 0, len(p)+1), typeMessage), p...)
}

// writeMessage queues a message of its own on a WebSocket.
func writeMessage(socket *loop.Conn, binary bool, p []byte) error {
	if binary {
		return socket.Write(websocket.Binary, p)
	}
	scratch := getScratch()
	defer putScratch(scratch)
	*scratch = append(append(*scratch, typeMessage), p...)
	return socket.Write(websocket.Text, *scratch)
}

// Confirmed is the highest seq that the client has certainly received: the last that was sent before a ping whose pong has come.
func (c *Conn) Confirmed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confirmed
}

// Writable reports whether what is sent now leaves at once: on a WebSocket nothing else waits, on polling a GET does.
func (c *Conn) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return false
	case c.socket != nil:
		return c.socket.Waiting() == 0
	}
	return c.polling.get != nil && len(c.polling.queue) == 0
}

// Waiting is how many bytes wait to be written or fetched: how far the client lags behind. It counts as Options.OutboxBytes does.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		return c.socket.Waiting()
	}
	return c.polling.held
}

// NotifyDrained asks for the handler's Drained to be called, once, when [Conn.Waiting] is below or less; soon, if it is already. Another
// call before Drained was called replaces the bound. Once the session has ended it does nothing.
func (c *Conn) NotifyDrained(below int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
	case c.socket != nil:
		c.socket.NotifyDrained(below)
	case c.polling.held <= below:
		c.polling.awaited = false
		go c.tellDrained()
	default:
		c.polling.awaited, c.polling.below = true, below
	}
}

// ping sends a ping. The heartbeats call it.
func (c *Conn) ping() {
	if !c.queuePing() {
		c.overflow()
	}
}

// queuePing returns false if too much waits.
func (c *Conn) queuePing() (fits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return true
	}
	c.pinged, c.atPing = true, c.seq
	if c.socket != nil {
		c.socket.WritePrepared(pingFrame) // an error is the end of the WebSocket, which is told
		return true
	}
	return c.polling.add(outgoing{bytes: pingPacket})
}

var (
	pingPacket = []byte{typePing}
	pingFrame  = websocket.Prepare(websocket.Text, pingPacket)
)

// pong notes a pong. One that nobody has asked for says nothing.
func (c *Conn) pong() {
	c.mu.Lock()
	asked := c.pinged
	if asked {
		c.pinged, c.confirmed = false, c.atPing
	}
	c.mu.Unlock()
	if asked {
		c.server.beats.answered(c)
	}
}

// unanswered ends a session whose pong has not come in time. The heartbeats call it.
func (c *Conn) unanswered() {
	if c.away.Load() {
		c.server.beats.again(c)
		return
	}
	c.end(ending{reason: PingTimeout, err: errUnanswered})
}
