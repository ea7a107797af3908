// Package console is what the operator's console at /console/ asks of a node, over HTTP and in JSON, under /console/api/. It is
// described in docs/console.md, and a test holds that page against the routes.
//
//	memory := console.NewMemory()
//	log := slog.New(memory.Tap(handler))
//	h, err := hub.New(hub.Options{Broker: broker, Ended: memory.Ended, Log: log})
//	if err != nil {
//		return err
//	}
//	c := console.New(h, console.Options{Token: token, Memory: memory, Log: log})
//	defer c.Close()
//	mux.Handle("/console/api/", c)
//
// # Who may
//
// Whoever has the token, as "Authorization: Bearer <token>", may see and do everything here. There are no cookies, so no page in a
// browser can act for its visitor, and a request from a page of another origin is refused all the same. Guessing is slowed down: an
// address that has sent a few wrong tokens in a second is refused without its token being looked at.
//
// # What it costs
//
// A sample of the node's counters a second, and what is remembered of ended sessions and of the log: bounded rings. Nothing is done for
// the console when a message comes or goes. Lists are read in pages; what walks over all sessions or channels holds no lock for long, and
// few may do so at a time.
//
// What is shown is of this node alone, but for the list of nodes.
package console

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/internal/sparing"
)

// Prefix is the path under which everything is.
const Prefix = "/console/api"

// MinToken is the shortest token, in bytes.
const MinToken = 16

// Bounds of what may be asked for.
const (
	MaxPage     = 500 // entries of one answer
	defaultPage = 100
	maxBody     = 1 << 20 // bytes of a request
	maxStreams  = 32      // open at once; a console has two
	maxScans    = 2       // walks over all sessions or channels at once; others wait
)

// Options are what a handler is given beside the hub. A function that is nil is for something that the node does not have.
type Options struct {
	// Token lets in who has it. With one that is shorter than MinToken nobody is let in.
	Token string
	// Memory is what is remembered of endings and of the log; nil remembers nothing.
	Memory *Memory
	// Node tells what the hub does not know of the node.
	Node func(context.Context) Node
	// Nodes tells of all nodes that share a broker, and the names of those that have not answered; nil is a node by itself.
	Nodes func(context.Context) (all []Peer, missing []string)
	// Counters tells of connections, of which the hub knows nothing.
	Counters func() Counters
	// Lag measures how long the event loops take to come to something new, the slowest of them. It is called once a second.
	Lag func(context.Context) time.Duration
	// Values is the configuration that holds, secrets hidden.
	Values func() []Value
	// Drain has the node take leave of its clients and stop. It must not wait.
	Drain func()
	// Log is told of every refusal, and of what was done by whom; nil means slog.Default.
	Log *slog.Logger
}

// Handler answers the requests. Make one with New. It may be used from any goroutine.
type Handler struct {
	hub      *hub.Hub
	options  Options
	log      *slog.Logger
	routes   http.Handler
	failures failures
	refusals sparing.Lines // of the log

	samples *feed[Sample]
	streams chan struct{} // holds one for each that is open
	scans   chan struct{} // likewise for each that is under way

	inspections inspections

	ctx    context.Context // over when the handler is closed
	cancel context.CancelFunc
	done   chan struct{} // closed when the sampler has ended
}

// New returns a handler for h, which takes samples until Close. Register it under Prefix + "/".
func New(h *hub.Hub, options Options) *Handler {
	c := &Handler{
		hub: h, options: options, log: cmp.Or(options.Log, slog.Default()), samples: newFeed[Sample](keptSamples),
		streams: make(chan struct{}, maxStreams), scans: make(chan struct{}, maxScans), done: make(chan struct{}),
	}
	if c.options.Memory == nil {
		c.options.Memory = NewMemory()
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.routes = c.mux()
	go c.sample()
	return c
}

// Close ends the streams and the samples. Other requests are still answered.
func (c *Handler) Close() {
	c.cancel()
	<-c.done
	c.leaveAll()
}

// route is something that can be asked.
type route struct {
	method, path string // the path is below Prefix
	means        string // for docs/console.md
	answer       func(*Handler, *request) (any, error)
	stream       func(*Handler, http.ResponseWriter, *request) error // instead
}

var routes = []route{
	{"GET", "/node", "what this node is, and how much it bears", (*Handler).node, nil},
	{"GET", "/nodes", "all nodes that share the broker", (*Handler).nodes, nil},
	{"GET", "/samples", "a stream: the samples of the last ten minutes, then one a second", nil, (*Handler).streamSamples},
	{"GET", "/channels", "a page of the channels with a subscriber", (*Handler).listChannels, nil},
	{"GET", "/channels/{channel}", "one channel", (*Handler).channel, nil},
	{"GET", "/channels/{channel}/history", "a page of what the channel keeps", (*Handler).history, nil},
	{"POST", "/channels/{channel}/publish", "publishes as the server", (*Handler).publish, nil},
	{"GET", "/sessions", "a page of the sessions", (*Handler).listSessions, nil},
	{"GET", "/sessions/{session}", "one session", (*Handler).session, nil},
	{"GET", "/sessions/{session}/frames", "the frames that pass, from the first time that somebody asks on", nil, (*Handler).frames},
	{"POST", "/sessions/{session}/disconnect", "ends a session", (*Handler).disconnect, nil},
	{"GET", "/ended", "a page of the sessions that ended and the clients that were refused, newest first", (*Handler).ended, nil},
	{"GET", "/log", "a stream: the last records of the log, then each as it is written", nil, (*Handler).streamLog},
	{"GET", "/config", "the configuration that holds, and where each value comes from", (*Handler).config, nil},
	{"POST", "/drain", "has the node take leave of its clients and stop", (*Handler).drain, nil},
}

// mux has the routes, and a sentence for everything else.
func (c *Handler) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+Prefix+r.path, c.admitted(func(w http.ResponseWriter, q *request) error {
			if r.stream != nil {
				return r.stream(c, w, q)
			}
			answer, err := r.answer(c, q)
			if err != nil {
				return err
			}
			return write(w, http.StatusOK, "application/json", answer)
		}))
		allowed := r.method
		mux.Handle(Prefix+r.path, c.admitted(func(w http.ResponseWriter, q *request) error {
			w.Header().Set("Allow", allowed)
			return hub.Errorf(hub.MethodNotAllowed, "the method is %.20s; here it is %s", q.Method, allowed)
		}))
	}
	mux.Handle("/", c.admitted(func(_ http.ResponseWriter, q *request) error {
		return hub.Errorf(hub.NotFound, "there is nothing at %.100q; docs/console.md lists what there is", q.URL.Path)
	}))
	return mux
}

// ServeHTTP answers one request.
func (c *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.routes.ServeHTTP(w, r)
}

// did tells the log what an operator has done.
func (c *Handler) did(r *request, what string, values ...any) {
	c.log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, what, slog.String("by", "console"), slog.String("remote", r.RemoteAddr),
		slog.Group("", values...))
}
