// A line: one WebSocket and one hub session, tied together until either ends.

package channelhttp

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// errReadOnly ends the session of a client that publishes where it may not.
var errReadOnly = errors.New("channelhttp: publishing is not allowed")

// line ties a connection to its session: it is the connection's Data and the session's receiver.
type line struct {
	gateway *Gateway
	session *hub.Session
	channel string
	conn    atomic.Pointer[loop.Conn] // set when the connection opens; the hub may end the session earlier

	behind time.Duration // when what waits became too much, on the gateway's clock; guarded by the channel's lock
	pause  pause         // for the connection's handler
}

func lineOf(c *loop.Conn) *line { return c.Data.(*line) }

// opened joins the channel.
func opened(c *loop.Conn) {
	l := lineOf(c)
	l.conn.Store(c)
	if l.session.Subscribe(l.channel) != nil { // the name was checked before the handshake, so the hub shuts down
		c.Close(goodbye(hub.ErrShutdown))
	}
}

// received publishes what the client sends.
func received(c *loop.Conn, kind websocket.MessageType, payload []byte) {
	l := lineOf(c)
	if !l.gateway.options.AllowPublish {
		l.session.End(errReadOnly)
		return
	}
	receipt := l.gateway.hub.Publish(&hub.Publication{
		Channel: l.channel,
		Binary:  kind == websocket.Binary,
		Payload: slices.Clone(payload),
	})
	if wait, ok := l.pause.after(receipt); ok {
		c.Go(func() { time.Sleep(wait) })
	}
}

// closed gives the session's place back.
func closed(c *loop.Conn, err error) {
	l := lineOf(c)
	defer l.session.Close()
	violation, violated := errors.AsType[*websocket.ProtocolError](err)
	switch {
	case errors.Is(err, loop.ErrSlowConsumer):
		l.note(c, slog.LevelInfo, websocket.StatusTryAgainLater, err.Error())
	case violated:
		l.note(c, slog.LevelInfo, violation.Code, violation.Reason)
	case l.gateway.stopping.Load():
		code, reason := goodbye(hub.ErrShutdown)
		l.note(c, slog.LevelDebug, code, reason)
	}
}

// frames is a publication as this gateway's clients receive it: encoded once, for all of them.
var frames = &hub.Encoding[*websocket.PreparedMessage]{Encode: func(p *hub.Publication) *websocket.PreparedMessage {
	if p.Binary {
		return websocket.Prepare(websocket.Binary, p.Payload)
	}
	return websocket.Prepare(websocket.Text, p.Payload)
}}

// Receive implements [hub.Receiver].
func (l *line) Receive(p *hub.Publication) hub.Reception {
	c := l.conn.Load()
	if c.WritePrepared(frames.Of(p)) != nil {
		return hub.Refused
	}
	if l.lags(c.Waiting()) {
		return hub.Late
	}
	return hub.Taken
}

// End implements [hub.Receiver]: it says goodbye, behind what still waits to be written.
func (l *line) End(cause error) {
	c := l.conn.Load()
	if c == nil {
		return // the connection will open, find its session ended, and close
	}
	code, reason := goodbye(cause)
	level := slog.LevelInfo
	if errors.Is(cause, hub.ErrShutdown) { // which ends them all
		level = slog.LevelDebug
	}
	l.note(c, level, code, reason)
	c.Close(code, reason)
}

// note tells the log that the server closes the line.
func (l *line) note(c *loop.Conn, level slog.Level, code websocket.StatusCode, cause string) {
	remote := "gone"
	if address := c.RemoteAddr(); address != nil {
		remote = address.String()
	}
	l.gateway.log.Log(context.Background(), level, "closed", "remote", remote, "channel", l.channel, "code", int(code), "cause", cause)
}

// goodbye is how a client is told why its session ended. A reason has room for 123 bytes.
func goodbye(cause error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(cause, hub.ErrShutdown):
		return websocket.StatusServiceRestart, "the server is shutting down; reconnect in a few seconds"
	case errors.Is(cause, errReadOnly):
		return websocket.StatusPolicyViolation, "read-only: publishing needs authentication, or a server started with --dev"
	default:
		return websocket.StatusNormalClosure, ""
	}
}
