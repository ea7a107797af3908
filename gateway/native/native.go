// Package native is the gateway for Ringdown's own protocol: JSON over one WebSocket, for many channels at once, so plain that
// it can be written by hand in a browser's console. The protocol is described in docs/protocol.md and docs/protocol.schema.json.
//
//	gateway, err := native.New(h, native.Options{})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/connect", gateway)
//
// A message of the client is a command or an array of commands, which are obeyed in order. A command that carries an id gets an
// answer that carries it, too; what cannot be done is answered by an error, and the connection goes on.
//
// The connections ride event loops (package loop): an idle one holds no goroutine and no buffer. A publication is encoded
// once for all clients of a gateway.
package native

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Subprotocol is the WebSocket subprotocol of version 1. A client may ask for it, and need not. One that offers only
// [auth.BearerProtocol] and its token, as browsers do that have no other place for it, gets that.
const Subprotocol = "ringdown.v1.json"

// What an [Options] field is when it is left zero.
const (
	DefaultMaxMessage = 256 << 10 // bytes
	DefaultMaxCalls   = 16
)

// Options are the rules of the gateway. The zero value is safe: same-origin pages and clients without a browser may connect.
type Options struct {
	// Accept is how connections are accepted: origins, limits, compression, keep-alive. Its zero Limits.Message means
	// DefaultMaxMessage here; one that is no larger than the payloads that rules allow keeps clients from publishing them.
	Accept websocket.AcceptOptions
	// OutboxBytes may wait for one client; one for which more waits is cut with 1013. 0 means 1 MiB.
	OutboxBytes int
	// OutboxAge is how long a message may wait for a client, and a client that there is one for may take nothing; then it is cut. 0
	// means 30 s.
	OutboxAge time.Duration
	// MaxCalls is how many calls of one client may be unanswered at a time. 0 means DefaultMaxCalls.
	MaxCalls int
	// Identify tells who a client is, by its opening request. An error refuses it: an [*hub.Error] is told as it is. nil
	// makes everybody anonymous.
	Identify func(r *http.Request) (hub.Identity, error)
	// Log is told of every refusal and of every connection that the server closes; nil means slog.Default.
	Log *slog.Logger
}

// Gateway answers the requests for connections. Make one with New; it is an [http.Handler].
type Gateway struct {
	hub     *hub.Hub
	options Options
	log     *slog.Logger
	lines   *line.Lines
	frames  hub.Encoding[*websocket.PreparedMessage]
	calling sync.WaitGroup // calls that are being answered
}

// New returns a gateway to h. It runs until [Gateway.Shutdown]. The error says which origin in options.Accept is none.
func New(h *hub.Hub, options Options) (*Gateway, error) {
	options.Accept.Limits.Message = cmp.Or(options.Accept.Limits.Message, DefaultMaxMessage)
	options.MaxCalls = cmp.Or(options.MaxCalls, DefaultMaxCalls)
	options.Accept.Subprotocols = []string{Subprotocol, auth.BearerProtocol}
	if options.Identify == nil {
		options.Identify = func(*http.Request) (hub.Identity, error) { return hub.Identity{}, nil }
	}
	g := &Gateway{hub: h, options: options, log: cmp.Or(options.Log, slog.Default())}
	g.frames.Encode = func(p *hub.Publication) *websocket.PreparedMessage {
		return websocket.Prepare(websocket.Text, message.Append(nil, p, message.Shape{Type: "message", Channel: true, Conflated: g.conflates(p.Channel)}))
	}
	var err error
	g.lines, err = line.New(h, line.Options{Accept: options.Accept, OutboxBytes: options.OutboxBytes, OutboxAge: options.OutboxAge, Log: options.Log})
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Gateway) conflates(channel string) bool { return g.hub.Rule(channel).Slow == hub.Conflate }

// ServeHTTP opens a session for the client. It returns once the handshake is done; the connection lives on by itself until
// [Gateway.Shutdown], [hub.Session.End] or its client ends it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := g.lines.Check(w, r); err != nil {
		g.lines.Journal().Request(r, "", err)
		return
	}
	who, err := g.options.Identify(r)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	c := &client{gateway: g}
	if err := g.lines.Open(c, who); err != nil {
		g.refuse(w, r, err)
		return
	}
	// Accept answers by itself when it refuses.
	if err := g.lines.Accept(w, r, c); err != nil {
		g.lines.Journal().Request(r, c.Session().ID(), err)
	}
}

// refuse answers a request that gets no session.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, sentence := hub.RefusalOf(line.Refusal(err))
	g.hub.Refused(refusal.Code)
	g.lines.Journal().Request(r, "", err)
	if wait := g.lines.RetryAfter(err); wait != "" {
		w.Header().Set("Retry-After", wait)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(refusal.Status)
	problem := object{'{'}.text("type", "about:blank").text("title", http.StatusText(refusal.Status)).
		number("status", uint64(refusal.Status)).text("code", string(refusal.Code)).text("detail", sentence)
	w.Write(append(problem.end(), '\n'))
}

// Stats are the counters of the gateway's connections on the event loop.
func (g *Gateway) Stats() loop.Stats { return g.lines.Stats() }

// Lag is how long the gateway's event loops take to come to something new; see [loop.Server.Lag].
func (g *Gateway) Lag(ctx context.Context) time.Duration { return g.lines.Lag(ctx) }

// Shutdown is ShutdownOver with a window of four seconds.
func (g *Gateway) Shutdown(ctx context.Context) error { return g.ShutdownOver(ctx, line.DefaultWindow) }

// ShutdownOver refuses new connections, tells the clients of those that are open when to come back, which is at a random time within
// the window, and closes them with 1012, spread evenly over the window; few take less, 10 ms for each session of the hub. It waits
// until all have gone and no call is being answered. When ctx ends first, what is left is cut and the error is ctx's: give it longer
// than the window. Another call returns at once.
func (g *Gateway) ShutdownOver(ctx context.Context, window time.Duration) error {
	if err := g.lines.ShutdownOver(ctx, window); err != nil {
		return err
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		g.calling.Wait()
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
