// Long polling, from the client to the server: the POST.

package engineio

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"
)

var errTooLarge = errors.New("engineio: a POST of more than MaxPayload")

// minUpload is the least time that the body of a POST has.
const minUpload = 30 * time.Second

// servePost takes what the client says, and answers it when all has been handed to the handler.
func (s *Server) servePost(w http.ResponseWriter, r *http.Request, c *Conn) {
	deadlines := http.NewResponseController(w)
	deadlines.SetReadDeadline(time.Now().Add(max(minUpload, s.beats.interval+s.beats.timeout))) // an error means that there are none
	p, refused := c.enterPost(deadlines)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	body := buffers.Get().(*bytes.Buffer)
	defer putBuffer(body)
	refused, err := s.read(w, r, deadlines, body)
	if err == nil {
		c.tapPolled(p, false, body.Len(), body.Bytes())
	}
	complete := err == nil && c.receive(body.Bytes())
	c.mu.Lock()
	p.post = nil
	c.mu.Unlock()
	if err != nil {
		c.end(ending{reason: TransportError, err: err, local: true})
		hangUp(w, r, deadlines)
		s.refuse(w, refused)
		return
	}
	if !complete {
		s.refuse(w, refuseRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	say(w, []byte("ok"))
}

// enterPost begins a POST.
func (c *Conn) enterPost(deadlines *http.ResponseController) (p *polling, refused *refusal) {
	c.mu.Lock()
	p = c.polling
	switch {
	case p == nil:
		refused = refuseRequest
	case c.ended:
		refused = refuseSession
	case p.post != nil:
		c.mu.Unlock()
		c.end(ending{reason: TransportError, err: errSecondPost, local: true})
		return nil, refuseRequest
	default:
		p.post = deadlines
	}
	c.mu.Unlock()
	return p, refused
}

// read reads the body of a POST. An error comes with how the request is refused.
func (s *Server) read(w http.ResponseWriter, r *http.Request, deadlines *http.ResponseController, body *bytes.Buffer) (*refusal, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "application/octet-stream" {
		return refuseRequest, errFraming
	}
	if r.ContentLength > s.maxPayload {
		return refuseSize, fmt.Errorf("%w: %d bytes", errTooLarge, r.ContentLength)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, s.maxPayload))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuseSize, errTooLarge
	}
	if err != nil {
		return refuseRequest, fmt.Errorf("engineio: a POST that breaks off: %w", err)
	}
	deadlines.SetReadDeadline(time.Time{}) // for as long as the handler takes
	deadlines.SetWriteDeadline(time.Time{})
	return nil, nil
}

// hangUp closes an HTTP/1 connection after the answer, so that the rest of the request need not be read: the HTTP server would.
func hangUp(w http.ResponseWriter, r *http.Request, deadlines *http.ResponseController) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		deadlines.SetReadDeadline(time.Unix(1, 0))
	}
}

// receive hands the packets of a payload to the handler, in order. It reports whether it has come to the end of them.
func (c *Conn) receive(payload []byte) bool {
	if err := checkText(payload); err != nil {
		c.violated(err)
		return false
	}
	scratch := getScratch()
	defer putScratch(scratch)
	c.turn.take()
	if c.told || c.deaf.Load() { // it has ended while we waited
		c.turn.give()
		return false
	}
	for {
		kind, data, rest, buf, more, err := nextPacket(payload, *scratch)
		*scratch = buf
		if err != nil {
			c.endTurn()
			c.violated(err)
			return false
		}
		if done, ok := c.packet(kind, data); done {
			c.endTurn()
			return ok
		}
		if !more {
			break
		}
		c.runAside() // before the next packet
		payload = rest
	}
	if c.aside != nil {
		go c.endTurn() // the client need not wait for it
	} else {
		c.turn.give()
	}
	return true
}

// packet does what a packet of a POST asks for. The turn is held. done says that the payload ends with it, and ok whether well.
func (c *Conn) packet(kind byte, data []byte) (done, ok bool) {
	switch kind {
	case typeMessage, typeBinary:
		c.server.counts.polled.Add(1)
		c.deliver(kind == typeBinary, data)
	case typePong:
		c.pong()
	case typeClose:
		c.awaitGet()
		c.end(ending{reason: TransportClose, byPeer: true})
		return true, true
	default:
		c.violated(misdirected(kind))
		return true, false
	}
	return false, false
}

// misdirected is the error of a packet that only servers send, or only over the other transport.
func misdirected(kind byte) error {
	return fmt.Errorf("%w: a client may not send a packet of type %q here", errParse, kind)
}
