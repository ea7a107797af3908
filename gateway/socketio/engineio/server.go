// The Server: where requests come in, and which of them are answered how.

package engineio

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Server has the sessions of a handler. It is an http.Handler for every path that it is mounted at, with and without a slash at its end.
// Create one with [New].
type Server struct {
	handler     Handler
	options     Options
	maxPayload  int64
	log         *slog.Logger
	acceptor    *websocket.Acceptor // for origins
	sockets     *loop.Server        // nil without WebSockets
	sessions    sessions
	beats       heartbeats
	counts      counters
	recent      atomic.Pointer[shared] // of the last handshake that differed
	originNoted atomic.Int64           // the second, since 1970, in which the log was last told of a foreign page
}

// New returns a Server for handler. It runs until [Server.Shutdown]. The error says which option cannot be, and why.
func New(handler Handler, opts *Options) (*Server, error) {
	options, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{handler: handler, options: options, maxPayload: options.MaxPayload, log: options.Log}
	s.handler.fill()
	s.sessions.init(options.MaxSessions)
	s.beats.init(options.PingInterval, options.PingTimeout)
	if s.acceptor, err = websocket.NewAcceptor(&options.Accept); err != nil {
		return nil, err
	}
	if options.NoWebSocket {
		return s, nil
	}
	s.sockets, err = loop.New(loop.Handler{Open: opened, Message: heard, Drained: drained, Close: closed}, &loop.Options{
		Accept: options.Accept,
		Outbox: loop.Outbox{Bytes: options.OutboxBytes, Policy: loop.Disconnect},
		Log:    options.Log,
	})
	return s, err
}

// ServeHTTP answers the requests of all transports.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if !s.crossOrigin(w, r) {
		s.refuse(w, refuseRequest)
		return
	}
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, refuseRequest)
		return
	}
	if refused := s.route(w, r, query); refused != nil {
		s.refuse(w, refused)
	}
}

// route judges a request and leads it to where it is answered, unless it is refused.
func (s *Server) route(w http.ResponseWriter, r *http.Request, query url.Values) *refusal {
	transport := query.Get("transport")
	if !s.has(transport) {
		return refuseTransport
	}
	id, upgrade := query.Get("sid"), wantsWebSocket(r)
	if id == "" {
		return s.greet(w, r, transport, upgrade, query.Get("EIO"))
	}
	c := s.sessions.find(id)
	switch {
	case c == nil:
		return refuseSession
	case upgrade != (transport == transportWebSocket), upgrade && r.Method != http.MethodGet:
		return refuseRequest
	case upgrade:
		return s.acceptProbe(w, r, c)
	case r.Method == http.MethodGet:
		s.serveGet(w, r, c)
	case r.Method == http.MethodPost:
		s.servePost(w, r, c)
	default:
		return refuseRequest
	}
	return nil
}

// has reports whether the server has a transport.
func (s *Server) has(transport string) bool {
	switch transport {
	case transportPolling:
		return !s.options.NoPolling
	case transportWebSocket:
		return !s.options.NoWebSocket
	}
	return false
}

// wantsWebSocket reports whether a request asks to be upgraded to a WebSocket. Proxies add other upgrades to all sorts of requests.
func wantsWebSocket(r *http.Request) bool {
	for _, protocol := range r.Header.Values("Upgrade") {
		if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
			return true
		}
	}
	return false
}

// refuse answers a request with a refusal, and counts it.
func (s *Server) refuse(w http.ResponseWriter, f *refusal) {
	s.counts.refused.Add(1)
	f.write(w)
}
