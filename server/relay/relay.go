// Package relay passes requests that belong to another node on to it, so that a balancer need not know which client is whose: the polls
// and posts of a Socket.IO session, whose id names its node.
//
//	r, err := relay.New(relay.Options{Self: "node-1", Secret: secret, Find: address})
//	mux.Handle("/socket.io/", r.Handler(nodeOf, gateway))       // on the listeners for clients
//	cluster := &http.Server{Handler: r.Receive(gateway)}        // on a listener for the other nodes
//
// What is passed on says who the client is, signed with a secret that all nodes share; nobody else is believed, nor anything that a client
// has written itself. The signature covers the method, the path and query, the host, the client and the minute, not the body: without TLS the
// listener for nodes belongs into a network where nobody changes what is sent.
//
// A request goes one step at most: its receiver serves it, or says that there is no such session, as a node does that the client asks
// after the other one has died.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/ringdown/ringdown/internal/sparing"
	"github.com/ringdown/ringdown/server/proxy"
)

// Options say between whom is relayed. Timeout, Most, TLS and Log may be left zero.
type Options struct {
	Self   string // this node
	Secret []byte // shared by all nodes
	// Find is where a node can be reached, as host:port; ok is false if it is not known or gone. It should remember for a moment.
	Find func(ctx context.Context, node string) (address string, ok bool)
	// Timeout is how long the head of an answer may take, longer than a poll; a minute by default.
	Timeout time.Duration
	// Most is how many requests are relayed at once, 10,000 by default; others are served as those of a node that is gone.
	Most int
	// TLS is for the way to the other nodes; nil is for listeners without it.
	TLS *tls.Config
	Log *slog.Logger
}

const (
	defaultTimeout = time.Minute
	defaultMost    = 10_000
	dialTimeout    = 2 * time.Second
	idlePerNode    = 64 // connections kept
)

// Relay passes requests on. It may be used from any goroutine. Make one with New.
type Relay struct {
	options Options
	proxy   *httputil.ReverseProxy
	scheme  string        // of the other nodes' addresses
	places  chan struct{} // holds one for each request under way
	lines   sparing.Lines

	ctx  context.Context // over when the relay is stopped
	stop context.CancelFunc
}

// New returns a relay. The error says what is missing.
func New(o Options) (*Relay, error) {
	if o.Self == "" || o.Find == nil || len(o.Secret) == 0 {
		return nil, errors.New("relay: the name of this node, the secret of all, or how they find each other is missing")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Most == 0 {
		o.Most = defaultMost
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	r := &Relay{options: o, scheme: "http", places: make(chan struct{}, o.Most)}
	if o.TLS != nil {
		r.scheme = "https"
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.proxy = &httputil.ReverseProxy{
		Rewrite:        r.rewrite,
		ModifyResponse: byItsNode,
		ErrorHandler:   r.failed,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // failed tells
		FlushInterval:  -1,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSClientConfig: o.TLS, TLSHandshakeTimeout: dialTimeout,
			ResponseHeaderTimeout: o.Timeout, MaxIdleConnsPerHost: idlePerNode, IdleConnTimeout: time.Minute, DisableCompression: true,
		},
	}
	return r, nil
}

// Stop cuts the requests that are being passed on, and serves later ones as those of a node that is gone. An answer may be on its way that
// its client will not get now; so the connection to the client is cut without an answer, which it does not mistake for an empty one.
func (r *Relay) Stop() {
	r.stop()
	r.proxy.Transport.(*http.Transport).CloseIdleConnections()
}

// target is where a request goes, and who serves it if that fails.
type target struct {
	address, node string
	here          http.Handler
	request       *http.Request // as it came
}

type targetKey struct{}

// Handler serves requests of other nodes' sessions by passing them on, and all others by here. nodeOf is the node that a request
// names, or "".
func (r *Relay) Handler(nodeOf func(*http.Request) string, here http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.Header.Del(header) // which no client has a say in
		node := nodeOf(q)
		if node == "" || node == r.options.Self || r.ctx.Err() != nil {
			here.ServeHTTP(w, q)
			return
		}
		address, ok := r.options.Find(q.Context(), node)
		if !ok {
			here.ServeHTTP(w, q)
			return
		}
		select {
		case r.places <- struct{}{}:
			defer func() { <-r.places }()
		default:
			r.tell("as many requests are passed on as may be", node, nil)
			here.ServeHTTP(w, q)
			return
		}
		until := time.Now().Add(2 * r.options.Timeout) // a poll may be longer than what is usual
		http.NewResponseController(w).SetWriteDeadline(until)
		ctx, cancel := context.WithCancel(q.Context())
		defer cancel()
		defer context.AfterFunc(r.ctx, cancel)()
		ctx = context.WithValue(ctx, targetKey{}, target{address, node, here, q})
		r.proxy.ServeHTTP(w, q.WithContext(ctx))
	})
}

func (r *Relay) rewrite(p *httputil.ProxyRequest) {
	to := p.In.Context().Value(targetKey{}).(target)
	p.Out.URL.Scheme, p.Out.URL.Host = r.scheme, to.address
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it came
	p.Out.Host = p.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := p.In.Header.Values(name); len(values) > 0 { // the hook of the other node may want them, as they came
			p.Out.Header[name] = values
		}
	}
	p.Out.Header.Set(header, r.sign(p.Out, proxy.From(p.In), time.Now()))
}

// Values of the header field in an answer: to what is not believed, and to what was served.
const (
	refusal = "refused"
	service = "served"
)

// byItsNode turns what is no node's answer to a client into an error: it is about this node, or the address that it was told.
func byItsNode(answer *http.Response) error {
	said := answer.Header.Get(header)
	answer.Header.Del(header)
	switch {
	case said == refusal:
		return errors.New("it does not believe this node, and its log says why; the nodes need the same secret (broker.cluster.secret_file), and clocks that agree")
	case said != service && answer.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("what answers there (%s) is not the listener of a node; broker.cluster.advertise must lead to it, and broker.cluster.tls be given on all nodes or none", answer.Status)
	}
	return nil
}

// failed serves a request that its node has not: it is gone, and this one does not know the session.
func (r *Relay) failed(w http.ResponseWriter, q *http.Request, err error) {
	to, ok := q.Context().Value(targetKey{}).(target)
	if !ok || q.Context().Err() != nil { // the client has gone, or is to come back
		panic(http.ErrAbortHandler)
	}
	r.tell("a request could not be passed on to its node", to.node, err)
	to.here.ServeHTTP(w, to.request)
}

func (r *Relay) tell(what, node string, err error) {
	if unlogged, due := r.lines.Due(); due {
		r.options.Log.Warn(what, "node", node, "cause", err, "unlogged", unlogged)
	}
}

// Receive serves what other nodes pass on, for the clients that they name. Requests of anybody else are refused.
func (r *Relay) Receive(here http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		client, err := r.verify(q, time.Now())
		if err != nil {
			r.tell("a request at the listener for nodes was refused", q.RemoteAddr, err)
			w.Header().Set(header, refusal)
			w.Header().Set("Connection", "close")
			http.NewResponseController(w).SetReadDeadline(time.Now()) // what is left of the request is not waited for
			http.Error(w, fmt.Sprintf("this address is for the other nodes of a server alone: %v", err), http.StatusForbidden)
			return
		}
		q.Header.Del(header)
		w.Header().Set(header, service)
		q.RemoteAddr = net.JoinHostPort(client.String(), "0")
		here.ServeHTTP(w, q.WithContext(proxy.With(q.Context(), client)))
	})
}
