// Hooks: the service is asked, and its answer waited for.

package backend

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// What fields of [HooksOptions] and [HookOptions] are when they are left zero.
const (
	DefaultTimeout       = 3 * time.Second
	DefaultCallTimeout   = 10 * time.Second
	DefaultRetries       = 2
	DefaultMaxAnswer     = 256 << 10 // bytes
	DefaultMaxConcurrent = 64
	DefaultMaxQueue      = 1024
	DefaultRest          = 5 * time.Second
	DefaultMaxNotices    = 4096
)

// HookOptions are one hook's. The zero value is safe.
type HookOptions struct {
	// URL is asked; "" means that of HooksOptions.
	URL string
	// Timeout is how long the client waits for the decision, in all: for a place, the answer, and repetitions. 0 means
	// DefaultTimeout, and DefaultCallTimeout for calls.
	Timeout time.Duration
	// Retries is how often a request may be repeated where that is safe. 0 means DefaultRetries, a negative number never.
	Retries int
	// Repeatable says that the service notices by its id when a request comes again, so that publish and call may be repeated
	// even if the first one may have got there. The other hooks always may.
	Repeatable bool
	// FailOpen allows what the service cannot be asked about, be it because a client keeps it busy. Not for calls.
	FailOpen bool
}

// HooksOptions say whom to ask about what.
type HooksOptions struct {
	// Hooks are those to ask; the others allow everything, and calls of unknown methods are refused.
	Hooks map[Hook]HookOptions
	// URL is asked by the hooks that name none of their own.
	URL string
	// Secrets sign the requests, each on its own: at least one, of at least MinSecret bytes.
	Secrets []Secret
	// ConnectHeaders and ConnectCookies name what of a client's opening request is sent with connect, which is otherwise nothing.
	ConnectHeaders, ConnectCookies []string
	// ConnectReuse is how long what connect allowed may serve further passing clients of which the service would be told the same:
	// user, info, address, protocol, headers and cookies. Only those share an answer that are told with a user, a cookie or an
	// Authorization header. Denials, what was let through unasked, and answers past their Lifetime are not used again. At most 16 MiB
	// of answers are kept. 0 asks each time.
	ConnectReuse time.Duration

	// MaxAnswer is the longest answer, in bytes. 0 means DefaultMaxAnswer.
	MaxAnswer int64
	// MaxConcurrent requests, and as many connections, of each hook are under way; MaxQueue more wait for a place. 0 means the
	// defaults.
	MaxConcurrent, MaxQueue int
	// MaxCalls of one user, or of one session where there is no user, are under way or wait for a place; further ones are refused.
	// 0 means a quarter of MaxConcurrent, and at least 1.
	MaxCalls int
	// Rest is how long a hook's URL is left alone once it has failed too often. 0 means DefaultRest.
	Rest time.Duration
	// MaxNotices of disconnects wait to be sent; further ones are dropped. 0 means DefaultMaxNotices.
	MaxNotices int

	// TLS is for https; nil means the system's roots.
	TLS *tls.Config
	// Wrap, if not nil, goes around the way that requests take, for traces.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Trace, if not nil, is told when a request begins, however often it will be repeated. It returns the context to ask in, which ends
	// no sooner than the one that it was given, and what is called once, with the error that Observe is told, when the request is over.
	Trace func(ctx context.Context, hook Hook, request, session string) (asking context.Context, over func(error))
	// Observe, if not nil, is told of each decision, for metrics, on the goroutine that asked; it must not block. err is what the
	// hook returned, even where fail-open overruled it.
	Observe func(hook Hook, took time.Duration, err error)
	// Log is told of failures, of answers that cannot be understood, of what was not asked, and of what was let through, each at most
	// once a second for each hook, and of breakers that change their state. nil means slog.Default.
	Log *slog.Logger
}

// Hooks asks the service. Make it with [NewHooks].
type Hooks struct {
	options   HooksOptions
	hooks     map[Hook]*hook
	endpoints []*endpoint
	log       *slog.Logger
	notices   *notices
	answers   reuse
	calls     shares
	asking    sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// NewHooks checks the options. It asks nobody yet.
func NewHooks(o HooksOptions) (*Hooks, error) {
	problems := []error{checkSecrets(o.Secrets)}
	o.MaxAnswer = or(&problems, "MaxAnswer", o.MaxAnswer, DefaultMaxAnswer)
	o.MaxConcurrent = or(&problems, "MaxConcurrent", o.MaxConcurrent, DefaultMaxConcurrent)
	o.MaxQueue = or(&problems, "MaxQueue", o.MaxQueue, DefaultMaxQueue)
	o.Rest = or(&problems, "Rest", o.Rest, DefaultRest)
	o.MaxNotices = or(&problems, "MaxNotices", o.MaxNotices, DefaultMaxNotices)
	o.MaxCalls = or(&problems, "MaxCalls", o.MaxCalls, max(1, o.MaxConcurrent/4))
	o.Secrets = slices.Clone(o.Secrets)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	h := &Hooks{options: o, hooks: make(map[Hook]*hook), log: o.Log, answers: reuse{lifetime: o.ConnectReuse}, calls: shares{most: o.MaxCalls}}
	for name, options := range o.Hooks {
		problems = append(problems, h.add(name, options))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	h.notices = newNotices(h, o.MaxNotices)
	return h, nil
}

func (h *Hooks) add(name Hook, o HookOptions) error {
	if !slices.Contains(AllHooks(), name) {
		return fmt.Errorf("backend: there is no hook %.40q; there are connect, subscribe, publish, call and disconnect", string(name))
	}
	if name == Call && o.FailOpen {
		return errors.New("backend: calls cannot fail open, for nobody else has an answer; leave FailOpen out")
	}
	byDefault := DefaultTimeout
	if name == Call {
		byDefault = DefaultCallTimeout
	}
	var problems []error
	o.Timeout = or(&problems, fmt.Sprintf("the time-out of %s", name), o.Timeout, byDefault)
	o.Retries = max(0, cmp.Or(o.Retries, DefaultRetries))
	o.Repeatable = o.Repeatable || name != Publish && name != Call
	e, err := h.endpoint(name, cmp.Or(o.URL, h.options.URL))
	if err != nil {
		problems = append(problems, fmt.Errorf("the %s hook: %w", name, err))
	}
	h.hooks[name] = &hook{HookOptions: o, name: name, endpoint: e}
	return errors.Join(problems...)
}

// endpoint makes that of a hook.
func (h *Hooks) endpoint(hook Hook, url string) (*endpoint, error) {
	name, err := checkURL(url)
	if err != nil {
		return nil, err
	}
	o := &h.options
	e := &endpoint{
		service:  service{url: url, name: name, secrets: o.Secrets, client: newClient(o.MaxConcurrent, o.TLS, o.Wrap), max: o.MaxAnswer},
		places:   make(chan struct{}, o.MaxConcurrent),
		maxQueue: int64(o.MaxQueue),
		hook:     hook,
		log:      h.log,
	}
	e.breaker = newBreaker(o.Rest, func(from, to State) {
		h.log.Warn("a circuit breaker changed", "hook", hook, "url", name, "from", from.String(), "to", to.String())
	})
	h.endpoints = append(h.endpoints, e)
	return e, nil
}

// Asks reports whether the hook is configured, so that a caller need not gather what nobody wants to know.
func (h *Hooks) Asks(name Hook) bool { return h.hooks[name] != nil }

// Endpoint is how it stands with a hook, for metrics.
type Endpoint struct {
	Hook     Hook
	URL      string // without its query
	State    State
	UnderWay int // requests
	Waiting  int // requests
}

// Endpoints lists the hooks that are asked, in the order of [AllHooks].
func (h *Hooks) Endpoints() []Endpoint {
	all := make([]Endpoint, len(h.endpoints))
	for i, e := range h.endpoints {
		all[i] = Endpoint{e.hook, e.name, e.breaker.current(), len(e.places), int(e.waiting.Load())}
	}
	slices.SortFunc(all, func(x, y Endpoint) int {
		return cmp.Compare(slices.Index(AllHooks(), x.Hook), slices.Index(AllHooks(), y.Hook))
	})
	return all
}

// Connect asks whether a client may connect. It waits as long as the hook's time-out, and less if ctx ends, whose error it then
// returns. Every other error is an [*Error]; the client may not connect then.
func (h *Hooks) Connect(ctx context.Context, r ConnectRequest) (ConnectDecision, error) {
	asked := r.request(Connect)
	asked.Headers = pickHeaders(r.Header, h.options.ConnectHeaders)
	asked.Cookies = pickCookies(r.Header, h.options.ConnectCookies)
	q, reusable := h.answers.questionOf(asked)
	if !reusable || !r.Passing {
		return decide(ctx, h, asked, parseConnect)
	}
	d, epoch, known := h.answers.find(q)
	if known {
		return d, nil
	}
	at := time.Now()
	return decide(ctx, h, asked, func(answer []byte) (ConnectDecision, error) { // which is not called for what is let through unasked
		d, err := parseConnect(answer)
		if err == nil {
			h.answers.keep(q, d, len(answer), at, epoch)
		}
		return d, err
	})
}

// Forget has every client asked about again, whatever was answered before: rights have been taken away.
func (h *Hooks) Forget() { h.answers.forget() }

// Subscribe asks whether a client may subscribe, as [Hooks.Connect] does.
func (h *Hooks) Subscribe(ctx context.Context, r SubscribeRequest) error {
	asked := r.request(Subscribe)
	asked.Channel = r.Channel
	_, err := decide(ctx, h, asked, func(b []byte) (none struct{}, err error) { return none, parseSubscribe(b) })
	return err
}

// Publish asks whether a client may publish, and what, as [Hooks.Connect] does. A payload that is not of its Kind is an error.
func (h *Hooks) Publish(ctx context.Context, r PublishRequest) (PublishDecision, error) {
	if !h.Asks(Publish) {
		return PublishDecision{}, nil
	}
	asked := r.request(Publish)
	asked.Channel, asked.Event, asked.Key = r.Channel, r.Event, r.Key
	var err error
	if asked.Data, asked.Encoding, err = r.Data.wire(); err != nil {
		return PublishDecision{}, err
	}
	return decide(ctx, h, asked, parsePublish)
}

// Call hands on a call and returns its result, as [Hooks.Connect] does. An error that the service answers is an [*Error] with
// [ErrDenied]; so is any call if the hook is not configured, with Code "unknown_method". One beyond MaxCalls is [ErrNotAsked].
func (h *Hooks) Call(ctx context.Context, r CallRequest) (Payload, error) {
	if !h.Asks(Call) {
		return Payload{}, &Error{Hook: Call, Code: "unknown_method", Reason: "nobody answers calls: this server has no call hook", kind: ErrDenied}
	}
	asked := r.request(Call)
	asked.Channel, asked.Method = r.Channel, r.Method
	var err error
	if asked.Data, asked.Encoding, err = r.Data.wire(); err != nil {
		return Payload{}, err
	}
	caller := cmp.Or(r.Client.User, r.Client.Session)
	if !h.calls.take(caller) {
		err := tooManyCalls(h.options.MaxCalls)
		h.observe(Call, 0, err)
		h.hooks[Call].endpoint.explain(asked.stamped().ID, err)
		return Payload{}, err
	}
	defer h.calls.give(caller)
	return decide(ctx, h, asked, parseCall)
}

// Disconnect tells that a client has gone. It waits for nothing: the notice is sent, and repeated if need be, while the program
// goes on. The error tells that it was dropped because too many wait, or because of Close.
func (h *Hooks) Disconnect(ctx context.Context, r DisconnectRequest) error {
	if !h.Asks(Disconnect) {
		return nil
	}
	asked := r.request(Disconnect)
	asked.Code, asked.Reason = r.Code, r.Reason
	return h.notices.add(asked.stamped())
}

// Close ends asking: further requests are refused, those under way get their answer, and notices that wait are sent. When ctx ends
// first, what is left is given up; the error wraps ctx's and tells how many notices there were. Another call returns at once.
func (h *Hooks) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	err := h.notices.close(ctx)
	done := make(chan struct{})
	go func() { h.asking.Wait(); close(done) }() // ends with the last time-out
	select {
	case <-done:
	case <-ctx.Done():
		err = cmp.Or(err, ctx.Err())
	}
	for _, e := range h.endpoints {
		e.close()
	}
	return err
}

// begin counts one who asks, unless the hooks are closed.
func (h *Hooks) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.asking.Add(1)
	}
	return !h.closed
}

// stamped gives a request its id and time.
func (r *Request) stamped() *Request {
	r.ID, r.Time = strings.ToLower(rand.Text()[:20]), time.Now()
	return r
}

// decide asks, reads the answer, and fails open where that is configured.
func decide[T any](ctx context.Context, h *Hooks, r *Request, parse func([]byte) (T, error)) (decision T, err error) {
	k := h.hooks[r.Hook]
	if k == nil {
		return decision, nil
	}
	if !h.begin() {
		return decision, unavailable(r.Hook, errors.New("the hooks are closed, for the server is shutting down"))
	}
	defer h.asking.Done()
	began := time.Now()
	asking, over := h.trace(ctx, r.stamped())
	answer, err := k.ask(asking, r)
	if err == nil {
		decision, err = parse(answer)
	}
	over(err)
	h.observe(r.Hook, time.Since(began), err)
	if k.FailOpen && errors.Is(err, ErrUnavailable) {
		if unlogged, ok := k.endpoint.opened.due(); ok {
			h.log.Warn("a hook failed open: allowed without having been asked about", "hook", r.Hook, "request", r.ID, "session", r.Session, "channel", r.Channel, "cause", err, "unlogged", unlogged)
		}
		return decision, nil
	}
	k.endpoint.explain(r.ID, err)
	return decision, err
}

// observe tells what became of a request, if anybody wants to know.
func (h *Hooks) observe(hook Hook, took time.Duration, err error) {
	if h.options.Observe != nil {
		h.options.Observe(hook, took, err)
	}
}

// trace begins the trace of a request, if anybody wants to know of it.
func (h *Hooks) trace(ctx context.Context, r *Request) (asking context.Context, over func(error)) {
	if h.options.Trace == nil {
		return ctx, func(error) {}
	}
	return h.options.Trace(ctx, r.Hook, r.ID, r.Session)
}
