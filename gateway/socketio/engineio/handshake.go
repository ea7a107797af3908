// The handshake: how a session begins, over either transport.

package engineio

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Handshake is what is known of the request that began a session. It is small, and must not be changed.
type Handshake struct {
	Time       time.Time
	RemoteAddr string // as in [net/http.Request].RemoteAddr
	Host       string
	URI        string // path and query, as they came
	Secure     bool   // the request came over TLS
	Polling    bool   // the session began with polling
	Allowed    any    // what Options.Allow has returned
	header     string // fields, as "name\x00value\x00" each
}

// Header is the request's header, made anew at each call. What belongs to the connection rather than to the client is left out.
func (h *Handshake) Header() http.Header {
	header := make(http.Header)
	for rest := h.header; rest != ""; {
		var name, value string
		name, rest, _ = strings.Cut(rest, "\x00")
		value, rest, _ = strings.Cut(rest, "\x00")
		header[name] = append(header[name], value)
	}
	return header
}

// URL is the request's URL: path and query.
func (h *Handshake) URL() *url.URL {
	u, err := url.ParseRequestURI(h.URI)
	if err != nil { // cannot be: the HTTP server has parsed it
		return &url.URL{Path: h.URI}
	}
	return u
}

// Query is the query of the request's URL, made anew at each call.
func (h *Handshake) Query() url.Values { return h.URL().Query() }

// ofConnection are the fields that say nothing of a client.
var ofConnection = map[string]bool{
	"Connection": true, "Upgrade": true, "Sec-Websocket-Key": true, "Sec-Websocket-Version": true, "Sec-Websocket-Extensions": true,
}

func newHandshake(r *http.Request, polling bool) *Handshake {
	var fields strings.Builder
	for name, values := range r.Header {
		if ofConnection[name] {
			continue
		}
		for _, value := range values {
			fields.WriteString(name + "\x00" + value + "\x00") // neither can hold a zero
		}
	}
	return &Handshake{
		Time:       time.Now(),
		RemoteAddr: strings.Clone(r.RemoteAddr),
		Host:       strings.Clone(r.Host),
		URI:        strings.Clone(r.URL.RequestURI()),
		Secure:     r.TLS != nil,
		Polling:    polling,
		header:     strings.Clone(fields.String()),
	}
}

// greet answers a handshake.
func (s *Server) greet(w http.ResponseWriter, r *http.Request, transport string, upgrade bool, version string) *refusal {
	switch {
	case r.Method != http.MethodGet:
		return refuseMethod
	case upgrade != (transport == transportWebSocket):
		return refuseRequest
	case version != "4":
		return refuseVersion
	}
	if refused := s.sessions.reserve(); refused != nil {
		return refused
	}
	begun := false
	defer func() {
		if !begun {
			s.sessions.release()
		}
	}()
	var data any
	if s.options.Allow != nil {
		var err error
		if data, err = s.options.Allow(r); err != nil {
			return forbidden(err)
		}
	}
	c := &Conn{Data: data, server: s, id: newID(s.options.Node), handshake: newHandshake(r, !upgrade)}
	c.handshake.Allowed = data
	s.setCookie(w, c)
	if upgrade {
		begun = s.sockets.Accept(w, r, func(socket *loop.Conn) { socket.Data = c }) == nil // it has answered otherwise
		return nil
	}
	if begun = s.beginPolling(c); !begun {
		return refuseStopping
	}
	s.serveGet(w, r, c)
	return nil
}

// setCookie sets the cookie of a handshake, if there is to be one.
func (s *Server) setCookie(w http.ResponseWriter, c *Conn) {
	if s.options.Cookie != nil {
		cookie := *s.options.Cookie
		cookie.Value = c.id
		http.SetCookie(w, &cookie)
	}
}

// openPacket is the packet that begins a session.
func (s *Server) openPacket(c *Conn) []byte {
	upgrades := `[]`
	if c.handshake.Polling && !s.options.NoWebSocket && !s.options.NoUpgrade {
		upgrades = `["` + transportWebSocket + `"]`
	}
	return fmt.Appendf(nil, `%c{"sid":"%s","upgrades":%s,"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}`, typeOpen,
		c.id, upgrades, s.options.PingInterval.Milliseconds(), s.options.PingTimeout.Milliseconds(), s.options.MaxPayload)
}

// beginPolling begins a session whose first GET is still to be answered. It returns false if the server is shutting down.
func (s *Server) beginPolling(c *Conn) bool {
	c.polling = &polling{outbox: s.options.OutboxBytes}
	c.polling.add(outgoing{bytes: s.openPacket(c)})
	if !s.begin(c) {
		return false
	}
	if c.aside != nil {
		go c.endTurn()
	} else {
		c.turn.give()
	}
	return true
}

// beginSocket begins a session on a new WebSocket, on the goroutine of its event loop.
func (s *Server) beginSocket(c *Conn, socket *loop.Conn) {
	c.socket = socket
	socket.Write(websocket.Text, s.openPacket(c)) // an error is the end of the WebSocket, which is told
	if !s.begin(c) {
		s.sessions.release()
		socket.Data = nil
		socket.Close(websocket.StatusServiceRestart, string(ServerShutdown))
		return
	}
	c.endTurnOnLoop(socket)
}

// begin makes a session known and calls the handler's Open; the turn is held then. It returns false if the server is shutting down.
func (s *Server) begin(c *Conn) bool {
	c.turn.take()
	if !s.sessions.add(c) {
		c.turn.give()
		return false
	}
	s.counts.opened.Add(1)
	s.beats.join(c)
	c.guard(func() { s.handler.Open(c) })
	return true
}
