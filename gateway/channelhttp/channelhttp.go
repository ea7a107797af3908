// Package channelhttp is the gateway for clients that know nothing but the web: one URL per channel. Register it under
// a pattern whose wildcard is {channel}:
//
//	gateway, err := channelhttp.New(h, channelhttp.Options{})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/channels/{channel}", gateway)
//
// A GET with Upgrade: websocket joins the channel over a raw WebSocket. Each message sent is published as it is, text
// as text and binary as binary, and each publication of the channel arrives as it was sent, one's own included.
//
// The lines ride event loops (package loop): an idle one holds no goroutine and no buffer.
//
// # Refusals
//
// Before the handshake, with a sentence that says what to change: 400 for a channel name that [hub.CheckChannel]
// refuses, 503 when the hub is full or the gateway is shutting down, and what [websocket.Accept] refuses (403 for a foreign
// origin, 405, 426).
//
// On the open line, by close code and reason: 1008 for a message where publishing is not allowed, 1009 for a message
// over the limit, 1012 when the server shuts down, 1013 for a client that reads too slowly.
package channelhttp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// What an [Options] field is when it is left zero.
const (
	DefaultMaxMessage  = 64 << 10 // bytes
	DefaultOutboxBytes = 1 << 20
)

// Options are the rules of the gateway. The zero value is safe: same-origin pages and clients without a browser may
// listen, nobody may publish.
type Options struct {
	// AllowPublish lets every client publish. Without it a client that sends a message is closed with 1008.
	AllowPublish bool
	// Accept is how connections are accepted: origins, limits, compression, keep-alive. Its zero Limits.Message means
	// DefaultMaxMessage here.
	Accept websocket.AcceptOptions
	// OutboxBytes may wait for one client; one for which more waits is cut with 1013. 0 means DefaultOutboxBytes.
	OutboxBytes int
	// Log is told of every refusal and of every line that the server closes, at a shutdown of their number only unless it
	// takes level Debug; nil means slog.Default.
	Log *slog.Logger
}

// Gateway answers the requests for channels. Make one with New; it is an [http.Handler].
type Gateway struct {
	hub     *hub.Hub
	options Options
	log     *slog.Logger
	lines   *loop.Server
	started time.Time // what lines measure time from

	stopping atomic.Bool // set by Shutdown
}

// New returns a gateway to h. It runs until [Gateway.Shutdown]. The error says which origin in options.Accept is none.
func New(h *hub.Hub, options Options) (*Gateway, error) {
	options.Accept.Limits.Message = cmp.Or(options.Accept.Limits.Message, DefaultMaxMessage)
	options.OutboxBytes = cmp.Or(options.OutboxBytes, DefaultOutboxBytes)
	g := &Gateway{hub: h, options: options, log: cmp.Or(options.Log, slog.Default()), started: time.Now()}
	var err error
	g.lines, err = loop.New(loop.Handler{Open: opened, Message: received, Close: closed}, &loop.Options{
		Accept: options.Accept,
		Outbox: loop.Outbox{Bytes: options.OutboxBytes, Policy: loop.Disconnect}, // a raw line has no words for a gap
		Log:    g.log,
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// ServeHTTP joins the client to the channel that the path names. It returns once the handshake is done; the line lives
// on by itself until [Gateway.Shutdown], [hub.Hub.Shutdown] or its client ends it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	channel := r.PathValue("channel")
	if err := hub.CheckChannel(channel); err != nil {
		g.refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	l := &line{gateway: g, channel: channel}
	var err error
	if l.session, err = g.hub.Open(l); err != nil {
		w.Header().Set("Retry-After", "5")
		g.refuse(w, r, http.StatusServiceUnavailable, whyNotNow(err))
		return
	}
	// Accept answers by itself when it refuses.
	if err := g.lines.Accept(w, r, func(c *loop.Conn) { c.Data = l }); err != nil {
		l.session.Close()
		g.log.Info("refused", "remote", r.RemoteAddr, "path", r.URL.Path, "origin", r.Header.Get("Origin"), "cause", err)
	}
}

func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	g.log.Info("refused", "remote", r.RemoteAddr, "path", r.URL.Path, "status", status, "cause", sentence)
	http.Error(w, sentence, status)
}

func whyNotNow(err error) string {
	if errors.Is(err, hub.ErrFull) {
		return "the server has no room for another connection; try again later, or raise --max-connections at the server"
	}
	return "the server is shutting down; try again in a few seconds"
}

// The pace at which lines are closed at a shutdown, so that their clients do not all come back in the same moment; but the
// last one early enough for its closing handshake.
const (
	goodbyesPerSecond = 5000
	longestFarewell   = 4 * time.Second
)

// Shutdown refuses new lines, closes those that are open with 1012, spread over up to four seconds if they are many, and
// waits until all have gone. When ctx ends first, what is left is cut and the error is ctx's. Another call returns at once.
func (g *Gateway) Shutdown(ctx context.Context) error {
	if g.stopping.Swap(true) {
		return nil
	}
	code, reason := goodbye(hub.ErrShutdown)
	open := g.lines.Stats().Connections
	window := time.Duration(open) * (time.Second / goodbyesPerSecond)
	err := g.lines.ShutdownPaced(ctx, loop.Drain{Code: code, Reason: reason, Window: min(window, longestFarewell)})
	g.log.Info("closed all lines", "connections", open, "code", int(code), "cause", reason)
	return err
}
