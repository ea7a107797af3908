// A line: one connection and one session, tied together until either ends.

package line

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Line ties a connection to its session. It is embedded in a [Client].
type Line struct {
	lines   *Lines
	session *hub.Session
	conn    atomic.Pointer[loop.Conn] // set when the connection opens; the hub may call earlier
	behind  atomic.Int64              // when what waits became too much, on the clock of lines; 0 if it is not
	ended   atomic.Bool               // the client was told goodbye, and the log
	pause   pause                     // for the connection's handler
	series  *series                   // for the connection's handler; nil if nothing was heard that has not been published yet

	mu    sync.Mutex // held while there is no connection yet
	early *early     // what came until then; nil if nothing did
}

// early is what is to be done as soon as the connection opens.
type early struct {
	pieces []piece
	bytes  int
	cause  error // the session has ended
}

// piece is what was to be written: a message, or bytes of a stream.
type piece struct {
	message *websocket.PreparedMessage
	bytes   []byte
}

// Base is the line itself.
func (l *Line) Base() *Line { return l }

// Opened does nothing.
func (l *Line) Opened() {}

// Heard does nothing.
func (l *Line) Heard(websocket.MessageType, []byte) {}

// Refused ends the session: a client that has no words for it would not know that its message is lost.
func (l *Line) Refused(err error) { l.session.End(err) }

// Closed does nothing.
func (l *Line) Closed(error) {}

// Session is the client's session in the hub.
func (l *Line) Session() *hub.Session { return l.session }

// Conn is the connection, or nil while it is not open yet.
func (l *Line) Conn() *loop.Conn { return l.conn.Load() }

// About is what is known of the connection of a client that speaks a protocol over a transport.
func (l *Line) About(transport, protocol string) hub.Description {
	d := hub.Description{Transport: transport, Protocol: protocol}
	if c := l.conn.Load(); c != nil {
		d.Waiting, d.Subprotocol, d.Compression = c.Waiting(), c.Subprotocol(), c.Compressed()
		if address := c.RemoteAddr(); address != nil {
			d.Remote = address.String()
		}
	}
	return d
}

// RoundTrip implements [hub.Pinger].
func (l *Line) RoundTrip(ctx context.Context) (took time.Duration, ok bool) {
	if c := l.conn.Load(); c != nil {
		return c.RoundTrip(ctx)
	}
	return 0, false
}

// Lines are those that the line belongs to.
func (l *Line) Lines() *Lines { return l.lines }

// Write hands a message to the client, which many may share, and tells what became of it.
func (l *Line) Write(m *websocket.PreparedMessage) hub.Reception {
	c := l.conn.Load()
	if c == nil {
		var kept bool
		if c, kept = l.keep(piece{message: m}, m.Len()); kept {
			return l.reception(nil)
		}
	}
	if c == nil {
		return hub.Refused
	}
	if c.WritePrepared(m) != nil {
		return hub.Refused
	}
	return l.reception(c)
}

// Send hands bytes to a client that reads a stream: own is copied, shared is not and must not change any more. One Send that
// comes while another does may go in between the two.
func (l *Line) Send(own, shared []byte) hub.Reception {
	c := l.conn.Load()
	if c == nil {
		all := shared
		if len(own) > 0 {
			all = append(append(make([]byte, 0, len(own)+len(shared)), own...), shared...)
		}
		var kept bool
		if c, kept = l.keep(piece{bytes: all}, len(all)); kept {
			return l.reception(nil)
		}
	}
	if c == nil {
		return hub.Refused
	}
	if c.Send(own) != nil || c.SendShared(shared, "") != nil {
		return hub.Refused
	}
	return l.reception(c)
}

// keep keeps what comes before there is a connection. Otherwise it returns the connection that there is by now, or nil if nothing more
// is to be written, because the client is told goodbye as soon as there is one.
func (l *Line) keep(p piece, bytes int) (c *loop.Conn, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conn.Load(); c != nil {
		return c, false
	}
	e := l.atOpening()
	if e.cause != nil {
		return nil, false
	}
	if e.bytes += bytes + perPiece; e.bytes > l.lines.outbox {
		e.pieces, e.cause = nil, hub.Errorf(hub.SlowConsumer, "slow consumer: more was published than may wait before the connection was open")
		return nil, false
	}
	e.pieces = append(e.pieces, p)
	return nil, true
}

// perPiece is what a piece is charged beside its bytes.
const perPiece = 64

// atOpening is called with the lock.
func (l *Line) atOpening() *early {
	if l.early == nil {
		l.early = new(early)
	}
	return l.early
}

// open writes what came early, and reports whether the session goes on.
func (l *Line) open(c *loop.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.early
	l.early = nil
	if e != nil {
		for _, p := range e.pieces {
			if p.message != nil {
				c.WritePrepared(p.message)
			} else {
				c.SendShared(p.bytes, "")
			}
		}
	}
	if e != nil && e.cause != nil { // before anybody else gets at the connection: nothing follows a goodbye
		l.goodbye(c, e.cause)
		l.conn.Store(c)
		return false
	}
	l.conn.Store(c) // what comes from now on follows
	if l.behind.Load() != 0 {
		c.NotifyDrained(l.lines.outbox / 4)
	}
	return true
}

// End implements [hub.Receiver]: it says goodbye, behind what still waits to be written. A gateway may call it as well, also from
// within Receive or Notify, to close the connection; the session is closed once that has gone.
func (l *Line) End(cause error) {
	c := l.conn.Load()
	if c == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c = l.conn.Load(); c == nil {
			if e := l.atOpening(); e.cause == nil {
				e.cause = cause
			}
			return
		}
	}
	l.goodbye(c, cause)
}

func (l *Line) goodbye(c *loop.Conn, cause error) {
	code, reason := Goodbye(cause)
	l.ended.Store(true)
	l.lines.journal.Ended(l.session, c.RemoteAddr(), code, cause)
	c.Close(code, reason)
}
