// Package api is the server API: what the programs behind a node ask of it, over HTTP and in JSON. It is described by the OpenAPI
// document that it serves, and with examples in docs/api.md.
//
//	keys, err := api.NewKeys([]api.Key{{Name: "shop", Secret: secret, Rights: []api.Right{api.Publish}}})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/api/v1/", api.New(h, api.Options{Keys: keys}))
//
// # Who may
//
// Every request but that for the document carries a key, as "Authorization: Bearer <key>". There is no key unless one is configured, so
// a handler without keys refuses everything; with Options.Open it takes requests without one, but only from this very machine.
// A key has rights, and may be bound to some channels.
//
// No page in a browser can act for its visitor: there are no cookies, and a request with an Origin that is not listed is refused.
//
// Everything has a bound: bodies, batches, pages and keys. Refusals are those of [hub.Refusals], as application/problem+json
// (RFC 9457). A Handler may be used from any goroutine; what it does waits for the broker, but for no client.
package api

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
const Prefix = "/api/v1"

// What an [Options] field is when it is left zero.
const (
	DefaultMaxBody = 1 << 20 // bytes
)

// Bounds of what one request may ask for.
const (
	MaxBatch    = 1000 // publications of one request
	MaxChannels = 1000 // channels of one request
	MaxPage     = 1000 // entries in one answer
	defaultPage = 100
)

// Options are the choices of a handler. The zero value refuses everything.
type Options struct {
	// Keys are those that are taken; nil is none.
	Keys *Keys
	// Open takes requests without a key, with all rights, that come from a loopback address, name this machine as localhost or by an
	// IP address, and were not forwarded by a proxy. It is for trying things out.
	Open bool
	// Origins are the web origins, as "https://admin.example.com", whose pages may use the API, with a key of course.
	Origins []string
	// MaxBody is the longest body of a request, in bytes. 0 means DefaultMaxBody.
	MaxBody int64

	// Revoke has tokens refused from now on. nil answers that this node takes no tokens. Its error is told to the caller, so
	// it must hold no secret. Missing are the names of nodes that have not said that they do.
	Revoke func(context.Context, Revocation) (missing []string, err error)
	// Peers are the other nodes; nil where there are none. What they ask is to be given to Answer.
	Peers Peers
	// Node tells of the node what the hub does not know; nil leaves that out.
	Node func() Node
	// Trace, if not nil, is told when an operation begins for somebody whose key was found good: what the OpenAPI document calls it,
	// and the pattern of its path. It returns the context to answer in, and what is called once with the status of the answer.
	Trace func(r *http.Request, operation, route string) (answering context.Context, over func(status int))
	// Observe is told of every answer: the operation as the OpenAPI document calls it ("" if there is none), the status, and how
	// long it took.
	Observe func(operation string, status int, took time.Duration)
	// Log is told of every refusal, and of what was managed by whom; nil means slog.Default.
	Log *slog.Logger
}

// Revocation names tokens to be refused: exactly one of User, Session and Token is set.
type Revocation struct {
	User    string // tokens that were issued to the user until Before
	Session string // tokens of a login, by their "sid"
	Token   string // the token with this "jti"

	Before time.Time // of a User's; zero is now, and as long as the issuer's clock may be ahead
	Until  time.Time // when the revocation is forgotten; zero is when all tokens that it refuses have expired
}

// Node is what a server knows of itself.
type Node struct {
	Name     string    // "" if it has none
	Version  string    // of the program
	Started  time.Time // zero if it is not known
	Draining bool      // it is about to go, and takes nobody new
}

// Handler answers the requests. Make one with New.
type Handler struct {
	hub     *hub.Hub
	options Options
	log     *slog.Logger
	routes  http.Handler

	refusals sparing.Lines // of the log
}

// New returns a handler for h. Register it under Prefix + "/".
func New(h *hub.Hub, options Options) *Handler {
	options.MaxBody = cmp.Or(options.MaxBody, DefaultMaxBody)
	a := &Handler{hub: h, options: options, log: cmp.Or(options.Log, slog.Default())}
	a.routes = a.mux()
	return a
}

// route is an operation of the API.
type route struct {
	method, path string // the path is below Prefix
	name         string // the operationId in the OpenAPI document
	right        Right  // what a key needs; "" for none
	whole        bool   // a key that is bound to some channels does not do
	answer       func(*Handler, *request) (status int, answer any, err error)
}

var routes = []route{
	{"POST", "/publish", "publish", Publish, false, (*Handler).publish},
	{"POST", "/batch", "publishBatch", Publish, false, (*Handler).batch},
	{"GET", "/channels", "listChannels", Read, false, (*Handler).listChannels},
	{"GET", "/channels/{channel}/presence", "getPresence", Read, false, (*Handler).presence},
	{"GET", "/channels/{channel}/history", "getHistory", Read, false, (*Handler).history},
	{"GET", "/sessions/{session}", "getSession", Read, true, (*Handler).session},
	{"GET", "/users/{user}/sessions", "listSessions", Read, true, (*Handler).sessions},
	{"POST", "/subscribe", "subscribe", Manage, false, (*Handler).subscribe},
	{"POST", "/unsubscribe", "unsubscribe", Manage, false, (*Handler).unsubscribe},
	{"POST", "/disconnect", "disconnect", Manage, true, (*Handler).disconnect},
	{"POST", "/revoke", "revoke", Manage, true, (*Handler).revoke},
	{"GET", "/node", "getNode", Read, true, (*Handler).node},
	{"GET", "/nodes", "listNodes", Read, true, (*Handler).nodes},
}

// request is one that was let in.
type request struct {
	*http.Request
	key *Key // whose it is; its secret is not kept
}

// mux has the routes, and a sentence for everything else.
func (a *Handler) mux() http.Handler {
	mux := http.NewServeMux()
	paths := map[string]string{}
	for _, r := range routes {
		mux.Handle(r.method+" "+Prefix+r.path, a.operation(r))
		paths[r.path] = r.method
	}
	mux.Handle("GET "+Prefix+documentPath, a.observed(documentName, a.serveDocument))
	paths[documentPath] = http.MethodGet
	for path, method := range paths {
		mux.Handle(Prefix+path, a.observed("", a.methodRefused(method)))
	}
	mux.Handle("/", a.observed("", func(w http.ResponseWriter, r *http.Request) error {
		return hub.Errorf(hub.NotFound, "there is nothing at %.100q; the document at %s%s lists what there is", r.URL.Path, Prefix, documentPath)
	}))
	return mux
}

func (a *Handler) methodRefused(allowed string) func(http.ResponseWriter, *http.Request) error {
	if allowed == http.MethodGet {
		allowed = "GET, HEAD"
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allowed)
		return hub.Errorf(hub.MethodNotAllowed, "the method is %.20s; here it is %s", r.Method, allowed)
	}
}

// ServeHTTP answers one request.
func (a *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'")
	a.routes.ServeHTTP(w, r)
}

// operation answers by a route.
func (a *Handler) operation(route route) http.Handler {
	return a.observed(route.name, func(w http.ResponseWriter, r *http.Request) error {
		key, err := a.admit(r, route)
		if err != nil {
			return err
		}
		r, over := a.trace(r, route)
		r.Body = http.MaxBytesReader(w, r.Body, a.options.MaxBody)
		status, answer, err := route.answer(a, &request{r, key})
		if err != nil {
			refusal, _ := hub.RefusalOf(known(err))
			over(refusal.Status)
			return err
		}
		over(status)
		return write(w, status, "application/json", answer)
	})
}

// trace begins the trace of an operation, if anybody wants to know of it.
func (a *Handler) trace(r *http.Request, route route) (traced *http.Request, over func(status int)) {
	if a.options.Trace == nil {
		return r, func(int) {}
	}
	ctx, over := a.options.Trace(r, route.name, Prefix+route.path)
	return r.WithContext(ctx), over
}

// observed answers with serve, which has answered nothing yet if it returns an error.
func (a *Handler) observed(name string, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, answered := time.Now(), &answered{ResponseWriter: w, status: http.StatusOK}
		done, err := a.crossOrigin(answered, r)
		if err == nil && !done {
			err = serve(answered, r)
		}
		if err != nil {
			a.refuse(answered, r, err)
		}
		if a.options.Observe != nil {
			a.options.Observe(name, answered.status, time.Since(started))
		}
	})
}

// answered notes the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *answered) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *answered) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// managed tells the log what a key has done to clients.
func (a *Handler) managed(r *request, what string, values ...any) {
	a.log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, what, slog.String("key", r.key.Name), slog.String("remote", r.RemoteAddr),
		slog.Group("", values...))
}
