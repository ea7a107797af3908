// Package channelhttp is the gateway for clients that know nothing but the web: one URL per channel. Register it under a pattern
// whose wildcard is {channel}, and if clients are to listen to several channels at once also under one without:
//
//	gateway, err := channelhttp.New(h, channelhttp.Options{})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/channels/{channel}", gateway)
//	mux.Handle("/channels", gateway) // /channels?channel=a&channel=b
//
// What a request asks for decides how it is served:
//
//	GET with Upgrade: websocket        a raw WebSocket: messages are published and arrive as they are
//	GET with Accept: text/event-stream Server-Sent Events; their id is a cursor
//	GET with ?wait=                    long poll: waits until there is something, and answers with JSON
//	GET                                short poll: what is there now
//	POST                               publishes the body, and answers with a receipt
//
// WebSockets, and Server-Sent Events over HTTP/1.1, ride event loops (package loop): an idle one holds no goroutine and no buffer.
// Who may do what is for the rules of the hub; which pages may is for Options.Accept.Origins, the same for every transport.
//
// Refusals are those of [hub.Refusals], as application/problem+json (RFC 9457), or as a Close frame on an open WebSocket. The page
// docs/channels.md has every parameter and header.
package channelhttp

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Subprotocol is what a raw WebSocket is called, for browsers, which hang up unless one of the subprotocols that they offer is chosen:
// they can offer it beside a token. A client need not ask for it; one that offers only [auth.BearerProtocol] and its token gets that.
const Subprotocol = "ringdown.raw"

// What an [Options] field is when it is left zero.
const (
	DefaultMaxMessage  = 64 << 10 // bytes
	DefaultOutboxBytes = line.DefaultOutboxBytes
	DefaultOutboxAge   = line.DefaultOutboxAge
)

// Options are the choices of the gateway. The zero value is safe: same-origin pages and clients without a browser, all of them
// anonymous.
type Options struct {
	// Accept is how requests are accepted: origins for all transports; limits, compression and keep-alive for WebSockets. Its zero
	// Limits.Message means DefaultMaxMessage here. KeepAlive.Interval is also the time after which a quiet event stream has a
	// heartbeat.
	Accept websocket.AcceptOptions
	// OutboxBytes may wait for one client; one for which more waits is cut. 0 means DefaultOutboxBytes.
	OutboxBytes int
	// OutboxAge is how long what waits for a client may wait, and a client that there is something for may take nothing; then it is
	// cut. 0 means DefaultOutboxAge.
	OutboxAge time.Duration
	// Identify tells who sends a request. An error is a refusal: an [*hub.Error] is told to the client. nil is for anonymous
	// clients.
	Identify func(*http.Request) (hub.Identity, error)
	// Log is told of every refusal and of every line that the server closes, at a shutdown of their number only unless it
	// takes level Debug; nil means slog.Default.
	Log *slog.Logger
}

// Gateway answers the requests for channels. Make one with New; it is an [http.Handler].
type Gateway struct {
	hub     *hub.Hub
	options Options
	log     *slog.Logger
	lines   *line.Lines
	origins *websocket.Acceptor
	forms   forms
}

// New returns a gateway to h. It runs until [Gateway.Shutdown]. The error says which origin in options.Accept is none.
func New(h *hub.Hub, options Options) (*Gateway, error) {
	options.Accept.Limits.Message = cmp.Or(options.Accept.Limits.Message, DefaultMaxMessage)
	options.Accept.Subprotocols = []string{Subprotocol, auth.BearerProtocol}
	options.OutboxBytes = cmp.Or(options.OutboxBytes, DefaultOutboxBytes)
	options.OutboxAge = cmp.Or(options.OutboxAge, DefaultOutboxAge)
	options.Accept.KeepAlive.Interval = cmp.Or(options.Accept.KeepAlive.Interval, heartbeatPace)
	g := &Gateway{hub: h, options: options, log: cmp.Or(options.Log, slog.Default())}
	g.forms = newForms(h)
	var err error
	if g.origins, err = websocket.NewAcceptor(&options.Accept); err != nil {
		return nil, err
	}
	g.lines, err = line.New(h, line.Options{Accept: options.Accept, OutboxBytes: options.OutboxBytes, OutboxAge: options.OutboxAge, Log: g.log})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// ServeHTTP serves one request. For WebSockets, and for event streams over HTTP/1.1, it returns once the connection is open, which
// lives on by itself until [Gateway.Shutdown], [hub.Hub.Shutdown] or its client ends it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if err := g.crossOrigin(w, r); err != nil {
		g.refuse(w, r, err)
		return
	}
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	if err := g.serve(w, r); err != nil {
		g.refuse(w, r, err)
	}
}

// serve returns an error if it has answered nothing yet.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) error {
	q, err := parse(r)
	if err != nil {
		return err
	}
	if q.transport == webSocket && r.Method == http.MethodGet {
		if err := g.lines.Check(w, r); err != nil { // which has answered
			g.lines.Journal().Request(r, "", err)
			return nil
		}
	}
	if g.options.Identify != nil {
		if q.who, err = g.options.Identify(r); err != nil {
			return err
		}
	}
	switch {
	case r.Method == http.MethodPost:
		return g.publish(w, r, q)
	case r.Method == http.MethodHead:
		return g.head(w, r, q)
	case r.Method != http.MethodGet:
		return methodRefused(r)
	}
	switch q.transport {
	case webSocket:
		return g.serveRaw(w, r, q)
	case eventStream:
		return g.serveEvents(w, r, q)
	}
	return g.servePoll(w, r, q)
}

// Stats are the counters of the gateway's connections on the event loop.
func (g *Gateway) Stats() loop.Stats { return g.lines.Stats() }

// Lag is how long the gateway's event loops take to come to something new; see [loop.Server.Lag].
func (g *Gateway) Lag(ctx context.Context) time.Duration { return g.lines.Lag(ctx) }

// Shutdown is ShutdownOver with a window of four seconds.
func (g *Gateway) Shutdown(ctx context.Context) error { return g.ShutdownOver(ctx, line.DefaultWindow) }

// ShutdownOver refuses new clients, answers those that poll, ends event streams, closes WebSockets with 1012, all of it spread evenly
// over the window, and waits until all connections that it has taken over have gone; few take less, 10 ms for each session of the
// hub. Polls and event streams are told when to come back, at a random time within the window. When ctx ends first, what is left is
// cut and the error is ctx's: give it longer than the window. Another call returns at once. Requests that are still with the HTTP
// server, such as event streams over HTTP/2, end within the window; that they have, the HTTP server knows.
func (g *Gateway) ShutdownOver(ctx context.Context, window time.Duration) error {
	return g.lines.ShutdownOver(ctx, window)
}
