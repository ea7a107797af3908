// A line: one WebSocket and one hub session, tied together until either ends.

package channelhttp

import (
	"context"
	"errors"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// lastWrites is how long a line whose session has ended may take for what it is writing, before the close frame is due.
// Behind it comes the connection's own CloseTimeout.
const lastWrites = 2 * time.Second

// errReadOnly ends the session of a client that publishes where it may not.
var errReadOnly = errors.New("channelhttp: publishing is not allowed")

// line ties conn to session. Two goroutines drive it, one for each direction, and a third closes it when the session
// ends before the connection does.
type line struct {
	gateway *Gateway
	conn    *websocket.Conn
	session *hub.Session
	channel string
	remote  string
}

// run serves the line until it is over, and leaves nothing behind.
func (l *line) run() {
	defer l.session.Close()
	written := make(chan struct{})
	closed := make(chan struct{})
	context.AfterFunc(l.session.Context(), func() {
		defer close(closed)
		l.hangUp(written)
	})
	l.session.Subscribe(l.channel) // the name was checked before the handshake
	go func() {
		defer close(written)
		l.write()
	}()

	l.read()
	l.session.End(hub.ErrClosed) // unless the hub ended it first
	<-closed
	<-written
}

// read publishes what the client sends, until the connection has ended. It goes on reading after the session has ended,
// because the answer to our close frame comes this way too.
func (l *line) read() {
	for {
		kind, payload, err := l.conn.Read(context.Background())
		if err != nil {
			return
		}
		if !l.gateway.options.AllowPublish {
			l.session.End(errReadOnly)
		}
		if l.session.Context().Err() == nil {
			l.publish(kind, payload)
		}
	}
}

func (l *line) publish(kind websocket.MessageType, payload []byte) {
	l.gateway.hub.Publish(&hub.Publication{
		Channel: l.channel,
		Binary:  kind == websocket.Binary,
		Payload: payload,
	})
}

// frames is a publication as this gateway's clients receive it: encoded once, for all of them.
var frames = &hub.Encoding[*websocket.PreparedMessage]{Encode: func(p *hub.Publication) *websocket.PreparedMessage {
	if p.Binary {
		return websocket.Prepare(websocket.Binary, p.Payload)
	}
	return websocket.Prepare(websocket.Text, p.Payload)
}}

// write sends the channel's publications, until the session has ended or the connection fails.
func (l *line) write() {
	var batch []*hub.Publication
	for {
		var ok bool
		if batch, ok = l.session.Next(batch); !ok {
			return
		}
		if l.writeBatch(batch) != nil {
			l.session.End(hub.ErrClosed)
			return
		}
	}
}

// writeBatch writes what has gathered in as few system calls as it takes.
func (l *line) writeBatch(batch []*hub.Publication) error {
	ctx := context.Background() // the connection's WriteTimeout bounds it
	if len(batch) > 1 {
		l.conn.Cork()
	}
	for _, p := range batch {
		if err := l.conn.WritePrepared(ctx, frames.Of(p)); err != nil {
			return err
		}
	}
	if len(batch) > 1 {
		return l.conn.Uncork(ctx)
	}
	return nil
}

// hangUp closes the connection once the session has ended: at once if there is nobody left to talk to, otherwise with a
// goodbye when the writer is done or has had its time.
func (l *line) hangUp(written <-chan struct{}) {
	cause := context.Cause(l.session.Context())
	if cause == hub.ErrClosed {
		l.conn.CloseNow()
		return
	}
	select {
	case <-written:
	case <-time.After(lastWrites):
	}
	code, reason := goodbye(cause)
	l.gateway.log.Info("closed", "remote", l.remote, "channel", l.channel, "code", int(code), "cause", reason)
	l.conn.Close(code, reason)
}

// goodbye is how a client is told why its session ended. A reason has room for 123 bytes.
func goodbye(cause error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(cause, hub.ErrSlow):
		return websocket.StatusTryAgainLater, "slow consumer: too much was waiting to be read; read faster, or reconnect to go on from here"
	case errors.Is(cause, hub.ErrShutdown):
		return websocket.StatusServiceRestart, "the server is shutting down; reconnect in a few seconds"
	case errors.Is(cause, errReadOnly):
		return websocket.StatusPolicyViolation, "read-only: publishing needs authentication, or a server started with --dev"
	default:
		return websocket.StatusNormalClosure, ""
	}
}
