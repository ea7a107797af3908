// Package line ties connections of an event loop to sessions of a hub, for every gateway whose clients stay connected. A gateway
// embeds a [Line] in what it knows of a client, says how a publication looks (Receive) and what to do with what the client
// says (Heard); the rest is here: how a slow client is dealt with and a fast publisher held back, why and with which code a
// connection ends, and what the log is told of it.
//
//	type client struct {
//		line.Line
//		channel string
//	}
//
//	func (c *client) Opened()                                   { ... c.Session().Subscribe(ctx, c.channel, ...) }
//	func (c *client) Receive(p *hub.Publication) hub.Reception  { return c.Write(frames.Of(p)) }
//	func (c *client) Notify(n *hub.Notice)                      { ... }
//	func (c *client) Heard(t websocket.MessageType, b []byte)   { ... c.Pace(receipt) }
//
//	c := &client{channel: name}
//	if err := lines.Open(c, who); err != nil { ... } // answer with a refusal
//	if err := lines.Accept(w, r, c); err != nil { ... } // has answered
package line

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// DefaultOutboxBytes is how many bytes may wait for one client.
const DefaultOutboxBytes = 1 << 20

// DefaultOutboxAge is how long a message may wait for a client.
const DefaultOutboxAge = 30 * time.Second

// farewellRoom is how much longer than a message may wait a client has for what is under way to it already.
const farewellRoom = 5 * time.Second

// Client is a gateway's client on a connection: a struct with an embedded [Line], which provides all of this but Receive and
// Notify; a gateway puts its own methods before it.
//
// Opened, Heard and Closed are called in this order, one at a time, on the connection's event loop, and must not wait; see
// [Line.Aside].
type Client interface {
	hub.Receiver
	Opened()                             // the connection is there
	Heard(websocket.MessageType, []byte) // the payload is lent
	Refused(error)                       // instead of Heard: what the client has sent is not admitted; see [hub.Session.Admit]
	Closed(error)                        // the connection has gone; the session is closed after it
	Base() *Line
}

// Options are the choices of a gateway's lines.
type Options struct {
	Accept      websocket.AcceptOptions
	OutboxBytes int           // may wait for one client; 0 means DefaultOutboxBytes
	OutboxAge   time.Duration // a message may wait for a client, and a client may take nothing; 0 means DefaultOutboxAge
	Log         *slog.Logger  // nil means slog.Default
}

// Lines are the connections of one gateway.
type Lines struct {
	hub     *hub.Hub
	server  *loop.Server
	outbox  int
	log     *slog.Logger
	journal *Journal
	started time.Time // what lines measure time from

	ctx      context.Context // over when all lines are
	cancel   context.CancelFunc
	farewell atomic.Pointer[farewell] // set by ShutdownOver; nil before
	leaving  chan struct{}            // closed once it is
}

// New returns the lines of a gateway to h. They run until [Lines.Shutdown]. The error says which origin in o.Accept is none.
func New(h *hub.Hub, o Options) (*Lines, error) {
	ls := &Lines{hub: h, outbox: cmp.Or(o.OutboxBytes, DefaultOutboxBytes), log: cmp.Or(o.Log, slog.Default()), started: time.Now(),
		leaving: make(chan struct{})}
	ls.journal = NewJournal(h, ls.log)
	age := cmp.Or(o.OutboxAge, DefaultOutboxAge)
	o.Accept.Limits.WriteTimeout = cmp.Or(o.Accept.Limits.WriteTimeout, age+farewellRoom)
	var err error
	ls.server, err = loop.New(loop.Handler{
		Open:     func(c *loop.Conn) { opened(c) },
		Message:  heard,
		Received: func(c *loop.Conn) { c.Data.(Client).Base().flush(nil) },
		Close:    closed,
		Drained:  func(c *loop.Conn) { c.Data.(Client).Base().drained() },
	}, &loop.Options{
		Accept: o.Accept,
		Outbox: loop.Outbox{Bytes: ls.outbox, Age: age, Policy: loop.Disconnect}, // the other policies are the hub's, which knows the channels
		Log:    ls.log,
	})
	if err != nil {
		return nil, err
	}
	ls.ctx, ls.cancel = context.WithCancel(context.Background())
	return ls, nil
}

// Check answers a request that is no sound handshake, or comes from a page that may not connect, and returns why. Nothing has been
// done then, and nobody been asked who the client is.
func (ls *Lines) Check(w http.ResponseWriter, r *http.Request) error { return ls.server.Check(w, r) }

// Open opens the session of a client that is about to be accepted. The error is an [*hub.Error] with [hub.Full] or
// [hub.ShuttingDown]. A session for which neither Accept nor Stream is called is the gateway's to close.
func (ls *Lines) Open(c Client, who hub.Identity) error {
	l := c.Base()
	l.lines = ls
	if err := ls.Refused(); err != nil {
		return Refusal(err)
	}
	var err error
	if l.session, err = ls.hub.Open(c, who); err != nil {
		return Refusal(err)
	}
	return nil
}

// Accept answers the opening handshake of a WebSocket and takes its connection over. After an error the request has been answered
// and the session is closed.
func (ls *Lines) Accept(w http.ResponseWriter, r *http.Request, c Client) error {
	err := ls.server.Accept(w, r, func(conn *loop.Conn) { conn.Data = c })
	if err != nil {
		c.Base().session.Abandon()
	}
	return err
}

// Stream answers an HTTP/1.1 request with a response that has no end; see [loop.Server.Stream]. What was sent to the client
// before goes out first. After [http.ErrServerClosed] nothing has been answered, after any other error the request has been, or the
// connection is lost; the session is still open.
func (ls *Lines) Stream(w http.ResponseWriter, r *http.Request, header http.Header, heartbeat string, c Client) error {
	return ls.server.Stream(w, r, header, heartbeat, func(conn *loop.Conn) { conn.Data = c })
}

// Stopping tells whether Shutdown has been called.
func (ls *Lines) Stopping() bool { return ls.farewell.Load() != nil }

// Refused is why nobody new is let in, or nil.
func (ls *Lines) Refused() error {
	if ls.Stopping() {
		return hub.ErrShutdown
	}
	return nil
}

// Leaving is closed when Shutdown begins.
func (ls *Lines) Leaving() <-chan struct{} { return ls.leaving }

// Remote tells whether the hub may wait for a network; see [hub.Hub.Remote].
func (ls *Lines) Remote() bool { return ls.hub.Remote() }

// Context ends when all lines have.
func (ls *Lines) Context() context.Context { return ls.ctx }

// Journal is where what clients are refused is noted.
func (ls *Lines) Journal() *Journal { return ls.journal }

// Stats are the counters of the connections.
func (ls *Lines) Stats() loop.Stats { return ls.server.Stats() }

// Lag is how long the event loops take to come to something new; see [loop.Server.Lag].
func (ls *Lines) Lag(ctx context.Context) time.Duration { return ls.server.Lag(ctx) }

// OutboxBytes is how much may wait for one client.
func (ls *Lines) OutboxBytes() int { return ls.outbox }

func opened(c *loop.Conn) {
	client := c.Data.(Client)
	if client.Base().open(c) {
		client.Opened()
	}
}

func heard(c *loop.Conn, t websocket.MessageType, payload []byte) {
	client := c.Data.(Client)
	if err := client.Base().session.Admit(len(payload)); err != nil {
		client.Base().flush(func() { client.Refused(err) }) // what was admitted before it goes first
		return
	}
	client.Heard(t, payload)
}

// closed gives the session's place back, and tells the log unless that was done when the server said goodbye.
func closed(c *loop.Conn, err error) {
	client := c.Data.(Client)
	l := client.Base()
	defer l.session.Close()
	client.Closed(err)
	if l.session.Cause() != "" || l.ended.Load() {
		return
	}
	violation, violated := errors.AsType[*websocket.ProtocolError](err)
	switch {
	case errors.Is(err, loop.ErrSlowConsumer), errors.Is(err, websocket.ErrWriteTimeout):
		l.blame(c, websocket.StatusTryAgainLater, hub.Errorf(hub.SlowConsumer, "%w", err))
	case violated:
		code := hub.BadRequest
		if violation.Code == websocket.StatusMessageTooBig {
			code = hub.TooLarge
		}
		l.blame(c, violation.Code, hub.Errorf(code, "%w", err))
	default:
		l.lines.journal.Gone(l.session, c.RemoteAddr(), err)
	}
}

// blame notes why a line has ended of which the session did not know.
func (l *Line) blame(c *loop.Conn, code websocket.StatusCode, cause error) {
	l.session.Blame(cause)
	l.lines.journal.Ended(l.session, c.RemoteAddr(), code, cause)
}
