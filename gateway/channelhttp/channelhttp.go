// Package channelhttp is the gateway for clients that know nothing but the web: one URL per channel. Register it under
// a pattern whose wildcard is {channel}:
//
//	mux.Handle("/channels/{channel}", channelhttp.New(h, channelhttp.Options{}))
//
// A GET with Upgrade: websocket joins the channel over a raw WebSocket. Each message sent is published as it is, text
// as text and binary as binary, and each publication of the channel arrives as it was sent, one's own included.
//
// # Refusals
//
// Before the handshake, with a sentence that says what to change: 400 for a channel name that [hub.CheckChannel]
// refuses, 503 when the hub is full or shutting down, and what [websocket.Accept] refuses (403 for a foreign origin,
// 405, 426).
//
// On the open line, by close code and reason: 1008 for a message where publishing is not allowed, 1009 for a message
// over the limit, 1012 when the server shuts down, 1013 for a client that reads too slowly.
package channelhttp

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// DefaultMaxMessage is the longest message taken from a client, in bytes, where the options do not say.
const DefaultMaxMessage = 64 << 10

// Options are the rules of the gateway. The zero value is safe: same-origin pages and clients without a browser may
// listen, nobody may publish.
type Options struct {
	// AllowPublish lets every client publish. Without it a client that sends a message is closed with 1008.
	AllowPublish bool
	// Accept is how connections are accepted: origins, limits, compression, keep-alive. Its zero Limits.Message means
	// DefaultMaxMessage here.
	Accept websocket.AcceptOptions
	// Log is told of every refusal and of every line that the server closes; nil means slog.Default.
	Log *slog.Logger
}

// Gateway answers the requests for channels. Make one with New; it is an [http.Handler].
type Gateway struct {
	hub     *hub.Hub
	options Options
	log     *slog.Logger
}

// New returns a gateway to h.
func New(h *hub.Hub, options Options) *Gateway {
	options.Accept.Limits.Message = cmp.Or(options.Accept.Limits.Message, DefaultMaxMessage)
	return &Gateway{hub: h, options: options, log: cmp.Or(options.Log, slog.Default())}
}

// ServeHTTP joins the client to the channel that the path names. It returns once the handshake is done; the line lives
// on by itself until [hub.Hub.Shutdown] or its client ends it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	channel := r.PathValue("channel")
	if err := hub.CheckChannel(channel); err != nil {
		g.refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	session, err := g.hub.Open()
	if err != nil {
		w.Header().Set("Retry-After", "5")
		g.refuse(w, r, http.StatusServiceUnavailable, whyNotNow(err))
		return
	}
	conn, err := websocket.Accept(w, r, &g.options.Accept) // answers by itself when it refuses
	if err != nil {
		session.Close()
		g.log.Info("refused", "remote", r.RemoteAddr, "path", r.URL.Path, "origin", r.Header.Get("Origin"), "cause", err)
		return
	}
	l := &line{gateway: g, conn: conn, session: session, channel: channel, remote: r.RemoteAddr}
	go l.run() // ends with the connection or the session; Hub.Shutdown waits for it
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
