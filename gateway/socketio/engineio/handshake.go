// The handshake: how a session begins, over either transport.

package engineio

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// maxHandshake is how many bytes the path, the query and the header of a handshake may have, as for other WebSockets: they are kept for as
// long as the session is there, and nobody has asked yet who the client is.
const maxHandshake = 8 << 10

// Handshake is what is known of the request that began a session: 8 KiB at most. It must not be changed.
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

// tooLong tells whether a request has more than is kept of it.
func tooLong(r *http.Request) bool {
	n := len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n > maxHandshake
}

func (s *Server) newHandshake(r *http.Request, polling bool) *Handshake {
	h := &Handshake{
		Time:       time.Now(),
		RemoteAddr: strings.Clone(r.RemoteAddr),
		Host:       r.Host,
		URI:        r.URL.RequestURI(),
		Secure:     r.TLS != nil,
		Polling:    polling,
		header:     headerOf(r),
	}
	s.share(h)
	return h
}

// headerOf is what is kept of a request's header, in an order that does not change.
func headerOf(r *http.Request) string {
	var fields []byte
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if ofConnection[name] {
			continue
		}
		for _, value := range r.Header[name] {
			fields = append(append(fields, name...), 0) // neither can hold a zero
			fields = append(append(fields, value...), 0)
		}
	}
	return string(fields)
}

// shared is what an earlier handshake had. Most clients of a server say the same, so that they need not each have a copy.
type shared struct{ host, uri, header string }

// share has a handshake use the strings of the one before it where they are the same. Otherwise host and uri are copied, as they may be parts of
// something larger.
func (s *Server) share(h *Handshake) {
	before := s.recent.Load()
	if before == nil {
		before = new(shared)
	}
	now := *before
	if h.Host != now.host {
		now.host = strings.Clone(h.Host)
	}
	if h.URI != now.uri {
		now.uri = strings.Clone(h.URI)
	}
	if h.header != now.header {
		now.header = h.header
	}
	h.Host, h.URI, h.header = now.host, now.uri, now.header
	if now != *before {
		s.recent.Store(&now)
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
	case tooLong(r):
		return refuseHeader
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
	c := &Conn{Data: data, server: s, id: newID(s.options.Node), handshake: s.newHandshake(r, !upgrade)}
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
