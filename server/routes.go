// What is where: the routes of a node, and what holds for all of them.

package server

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/server/proxy"
	"github.com/ringdown/ringdown/web"
	"github.com/ringdown/ringdown/web/measure"
	"github.com/ringdown/ringdown/websocket"
)

// newChannels starts the gateway for clients that know nothing but the web.
func (s *Server) newChannels() (*channelhttp.Gateway, error) {
	return channelhttp.New(s.hub, channelhttp.Options{
		Accept: s.accept(), OutboxBytes: int(s.config.Limits.OutboxBytes), OutboxAge: s.config.Limits.OutboxAge,
		Identify: s.front.bounded(s.identified("")), Log: s.log,
	})
}

// newNative starts the gateway for clients that speak our own protocol. Around a payload a command has fields, and as text in JSON or
// as base64 the payload itself may be longer.
func (s *Server) newNative() (*native.Gateway, error) {
	accept := s.accept()
	accept.Limits.Message = max(native.DefaultMaxMessage, 2*int64(s.config.Limits.MessageSize))
	return native.New(s.hub, native.Options{
		Accept: accept, OutboxBytes: int(s.config.Limits.OutboxBytes), OutboxAge: s.config.Limits.OutboxAge,
		MaxCalls: s.config.Limits.Calls, Identify: s.front.bounded(s.identified(talking)), Log: s.log,
	})
}

// accept is how every gateway accepts connections.
func (s *Server) accept() websocket.AcceptOptions {
	c := &s.config
	return websocket.AcceptOptions{
		OriginList: &s.origins,
		Secure:     func(r *http.Request) bool { return proxy.From(r).Scheme == "https" },
		Limits: websocket.Limits{
			Message:      int64(c.Limits.MessageSize),
			InflateRatio: c.Limits.DecompressedRatio,
			FrameTimeout: c.Limits.MessageTimeout,
			WriteTimeout: c.Limits.OutboxAge,
		},
		KeepAlive: websocket.KeepAlive{Interval: c.KeepAlive.Interval, Timeout: c.KeepAlive.Timeout},
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", s.channels)
	mux.Handle("/channels", s.channels) // several, as ?channel=
	mux.Handle("/connect", s.native)
	s.socketRoutes(mux)
	s.adminRoutes(mux)
	s.pageRoutes(mux)
	mux.HandleFunc("/", notFound)
	clients := noticed(s.front.trusted, s.log, s.front.handler(mux))
	return s.counted(s.guard(clients)) // the guard is to see the Host that was sent, not one that a proxy has told
}

// pageRoutes serves the pages.
func (s *Server) pageRoutes(mux *http.ServeMux) {
	site := web.Embedded()
	pages := site.Pages()
	maps.Copy(pages, site.Assets())
	if s.dev {
		bench := measure.New(measure.Options{Hub: s.hub, URL: func() string { return s.front.bases()[0] }, Command: s.clients, Stop: s.stop})
		mux.HandleFunc("GET /compare/usage", bench.Usage)
		mux.HandleFunc("POST /compare/run", bench.Run)
	}
	for path, page := range pages {
		mux.Handle("GET "+path, page)
		mux.HandleFunc(path, readOnly)
	}
}

// guard keeps foreign host names out of dev mode, and browsers from guessing at types.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if s.dev && !local(r.Host) {
			http.Error(w, fmt.Sprintf("dev mode answers as localhost or as an IP address, not as %q; use http://%s/",
				r.Host, s.Addr()), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// local tells whether a Host header names this machine in a way that no foreign page can bring about: localhost, or an
// IP address. A name may be one that an attacker lets point to 127.0.0.1 ("DNS rebinding"), which would make his page
// same-origin with ours.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// readOnly answers the methods that a page does not know.
func readOnly(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, fmt.Sprintf("the method is %.20s; this page is read, with GET or HEAD", r.Method), http.StatusMethodNotAllowed)
}

// notFound says what exists instead.
func notFound(w http.ResponseWriter, r *http.Request) {
	sentence := "there is nothing here; there are / (pages for browsers), /everyone (one channel over every transport), /channels/{channel} (WebSocket, Server-Sent Events, polling, POST), " +
		"/connect (the native protocol), /socket.io/ (Socket.IO), /livez and /readyz, and unless they are private /metrics and /api/v1/ (the server API)"
	if strings.HasPrefix(r.URL.Path, "/channels/") {
		sentence = "a channel is one name in the path, as in /channels/lobby; write a slash within the name as %2F"
	}
	http.Error(w, sentence, http.StatusNotFound)
}
