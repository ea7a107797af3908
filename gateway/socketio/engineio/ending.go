// How a session ends: one place, for whatever cause.

package engineio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

var (
	errUnanswered = errors.New("engineio: the client did not answer a ping in time")
	errGone       = errors.New("engineio: the client has given up its GET")
	errSecondGet  = errors.New("engineio: a second GET while another waits")
	errSecondPost = errors.New("engineio: a second POST while another is under way")
	errFraming    = errors.New("engineio: a POST in the binary framing of protocol revision 3")
	errSlow       = fmt.Errorf("engineio: the client fetches too slowly: %w", loop.ErrSlowConsumer)
)

// farewell is how long what waits for a polling client is kept after this side has closed its session.
const farewell = 30 * time.Second

// ending says how a session is to end.
type ending struct {
	reason Reason
	err    error // nil if the reason says it all
	kept   bool  // this side closes: what waits is flushed first, and kept for a client that has no GET waiting
	local  bool  // for something that this side has found: what else the client has sent is not wanted
	byPeer bool  // the client has said that it closes: its GET has nothing to tell
	onLoop bool  // called on the goroutine of the session's event loop, from within the handler's Close
}

// Close ends the session. What is queued still reaches the client: a WebSocket is closed behind it, a polling client gets it with the
// answer to its GET, for which it has 30 s. The handler's Close is called with the reason, on another goroutine, and Message no more. Closing
// a session that has ended does nothing.
func (c *Conn) Close(reason Reason) { c.end(ending{reason: reason, kept: true, local: true}) }

// end ends the session, unless it has ended.
func (c *Conn) end(e ending) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.deaf.Store(e.local)
	socket, probe := c.socket, (*probe)(nil)
	lingers := false
	if p := c.polling; p != nil {
		probe, p.probe = p.probe, nil
		lingers = p.end(e)
		if lingers {
			p.expiry = time.AfterFunc(farewell, func() { c.server.sessions.forget(c) })
		}
	}
	c.mu.Unlock()
	c.server.beats.leave(c)
	if !lingers {
		c.server.sessions.forget(c)
	}
	c.server.note(c, e)
	if socket != nil && !e.onLoop {
		code, reason := e.code()
		socket.Close(code, reason)
	}
	if probe != nil {
		probe.abandon()
	}
	if e.onLoop && c.turn.try() {
		c.tellClose(e.reason, e.err)
		return
	}
	go func() {
		c.turn.take()
		c.tellClose(e.reason, e.err)
	}()
}

// overflow ends a polling session for which too much waits.
func (c *Conn) overflow() {
	c.end(ending{reason: TransportError, err: errSlow})
}

// violated ends a session for a packet that cannot be understood, or that a client may not send.
func (c *Conn) violated(err error) {
	c.end(ending{reason: ParseError, err: err, local: true})
}

// code is how a WebSocket is told of the ending.
func (e *ending) code() (websocket.StatusCode, string) {
	switch e.reason {
	case TransportClose, ForcedClose:
		return websocket.StatusNormalClosure, ""
	case ServerShutdown:
		return websocket.StatusServiceRestart, string(e.reason)
	case ParseError:
		return websocket.StatusProtocolError, string(e.reason)
	case PingTimeout:
		return websocket.StatusPolicyViolation, string(e.reason)
	}
	return websocket.StatusInternalError, ""
}

// lost is the ending of a session whose WebSocket has ended.
func lost(err error) ending {
	e := ending{reason: TransportError, err: err, onLoop: true}
	_, closed := errors.AsType[*websocket.CloseError](err)
	if closed || errors.Is(err, io.EOF) {
		e.reason = TransportClose
	}
	return e
}

// note counts the ending, and tells the log of one that the client could not know the cause of.
func (s *Server) note(c *Conn, e ending) {
	violation, violated := errors.AsType[*websocket.ProtocolError](e.err)
	switch {
	case e.reason == PingTimeout:
		s.counts.timeouts.Add(1)
		return
	case e.reason == ParseError:
		s.counts.parseErrors.Add(1)
	case errors.Is(e.err, loop.ErrSlowConsumer):
		s.counts.slow.Add(1)
	case errors.Is(e.err, errTooLarge) || violated && violation.Code == websocket.StatusMessageTooBig:
		s.counts.tooLarge.Add(1)
	case e.err == nil || errors.Is(e.err, io.EOF) || errors.Is(e.err, os.ErrDeadlineExceeded) || errors.Is(e.err, errGone):
		return
	}
	if e.reason != TransportClose && e.err != nil { // the handler knows itself why it closes
		s.log.Info("engineio: closed", "remote", c.RemoteAddr(), "reason", string(e.reason), "cause", e.err, "max_payload", s.maxPayload)
	}
}
