// Streams: HTTP/1.1 responses without an end, such as Server-Sent Events, that ride the loop as WebSockets do.

package loop

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// answerTimeout is how long the header of a stream may take to leave.
const answerTimeout = 10 * time.Second

// Stream answers an HTTP/1.1 request with a response that has no end, and takes its connection over: a [Conn] that is only
// written to, with [Conn.Send]. It has the same outbox, policies and look for dead peers as a WebSocket; the handler's Open
// and Close are called for it, Message never is. heartbeat is sent when nothing else was for the time of
// KeepAlive.Interval; for Server-Sent Events a comment, ":\n\n", will do.
//
// The header is sent as it is, with Connection: close. ready is called with the connection before the handler's Open and may
// set [Conn.Data]; it may be nil.
func (s *Server) Stream(w http.ResponseWriter, r *http.Request, header http.Header, heartbeat string, ready func(*Conn)) error {
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 {
		return fmt.Errorf("websocket: a stream takes an HTTP/1.1 request, not %s", r.Proto)
	}
	if !s.begin() {
		return http.ErrServerClosed
	}
	defer s.adopting.Done()
	nc, _, err := http.NewResponseController(w).Hijack() // whatever the client sends behind its request is not wanted
	if err != nil {
		return fmt.Errorf("websocket: the http.ResponseWriter cannot be hijacked (a middleware that wraps it needs an Unwrap method): %w", err)
	}
	var answer bytes.Buffer
	answer.WriteString("HTTP/1.1 200 OK\r\n")
	all := header.Clone()
	if all == nil {
		all = make(http.Header)
	}
	all.Set("Connection", "close")
	all.Write(&answer) // replaces line breaks in values
	answer.WriteString("\r\n")
	nc.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := nc.Write(answer.Bytes()); err != nil {
		nc.Close()
		return err
	}
	nc.SetDeadline(time.Time{})
	s.adopt(&bridge.Upgraded{NetConn: nc}, func(c *Conn) {
		c.stream = true
		c.needRare().heartbeat = heartbeat
		if ready != nil {
			ready(c)
		}
	})
	return nil
}

// Send queues bytes for a stream, as they are. It is for connections of [Server.Stream]; what holds for [Conn.Write] holds
// here too.
func (c *Conn) Send(p []byte) error { return c.send(p, "", true) }

// SendShared is Send without a copy: p must not change any more. Many streams may share it. key is for [Conflate].
func (c *Conn) SendShared(p []byte, key string) error { return c.send(p, key, false) }

func (c *Conn) send(p []byte, key string, copied bool) error {
	if !c.stream {
		return fmt.Errorf("websocket: bytes can be sent to streams only; use Write")
	}
	if len(p) == 0 {
		return nil
	}
	c.mu.Lock()
	if c.at() != stateOpen {
		c.mu.Unlock()
		return websocket.ErrClosing
	}
	c.active.Store(true) // by the peer: no heartbeat is due
	if !copied {
		return c.queue(outbox.Item{Bytes: p, Key: key})
	}
	if last := c.mayShare(len(p), c.server.now()); last != nil {
		last.Bytes = append(last.Bytes, p...)
		c.out.Grown(last)
		return c.settle()
	}
	return c.queue(outbox.Item{Bytes: append(buffers.Get(len(p)), p...), Owned: true})
}

// beat is the heartbeat of a stream that has been quiet. Called under the lock.
func (c *Conn) beat(now wheel.Tick) {
	c.since = now
	if beat := c.needRare().heartbeat; beat != "" && c.out.Empty() {
		c.out.Add(outbox.Item{Bytes: []byte(beat), Kind: outbox.Control, At: now})
		c.wake()
	}
}
