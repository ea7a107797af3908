// Streams: HTTP/1.1 responses without an end, such as Server-Sent Events, that ride the loop as WebSockets do.

package loop

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/line"
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
// A peer that has acknowledged nothing for the time of KeepAlive.Interval and Timeout together is gone, where the system can
// tell (Linux); elsewhere its probes of silent connections do the same in about that time.
//
// The header goes on top of what w has, with Connection: close. ready is called with the connection before the handler's Open
// and may set [Conn.Data]; it may be nil.
//
// An error means that there is no stream: the request has been answered with a status and a sentence, or its connection was
// lost. Only with [http.ErrServerClosed] has nothing been answered, for the caller to say what comes after the shutdown.
func (s *Server) Stream(w http.ResponseWriter, r *http.Request, header http.Header, heartbeat string, ready func(*Conn)) error {
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 {
		http.Error(w, "streams are served over HTTP/1.1 only", http.StatusHTTPVersionNotSupported)
		return fmt.Errorf("websocket: a stream takes an HTTP/1.1 request, not %s", r.Proto)
	}
	if !s.begin() {
		return http.ErrServerClosed
	}
	defer s.adopting.Done()
	nc, _, err := http.NewResponseController(w).Hijack() // whatever the client sends behind its request is not wanted
	if err != nil {
		http.Error(w, "the connection cannot become a stream; the server's log says why", http.StatusInternalServerError)
		return fmt.Errorf("websocket: the http.ResponseWriter cannot be hijacked (a middleware that wraps it needs an Unwrap method): %w", err)
	}
	nc.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := nc.Write(streamHeader(w.Header(), header)); err != nil {
		nc.Close()
		return fmt.Errorf("websocket: the header of a stream could not be written: %w", err)
	}
	nc.SetDeadline(time.Time{})
	if s.set.Interval > 0 {
		line.LimitSilence(nc, s.set.Interval, s.set.Timeout)
	}
	s.adopt(&bridge.Upgraded{NetConn: nc}, func(c *Conn) {
		c.stream = true
		c.needRare().heartbeat = heartbeat
		if ready != nil {
			ready(c)
		}
	})
	return nil
}

// streamHeader is the head of the answer: what the writer had already, and header on top.
func streamHeader(set, header http.Header) []byte {
	all := make(http.Header, len(set)+len(header)+1)
	maps.Copy(all, set)
	maps.Copy(all, header)
	all.Set("Connection", "close")
	var answer bytes.Buffer
	answer.WriteString("HTTP/1.1 200 OK\r\n")
	all.Write(&answer) // replaces line breaks in values
	answer.WriteString("\r\n")
	return answer.Bytes()
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
		c.wake()
		c.mu.Unlock()
		return nil
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
