// The verifier: its options, its life, and what it can say about its keys.

package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options are what a token must be like. The zero value of each field but Keys is safe and good.
type Options struct {
	Keys []Key // at least one

	// Issuer is what "iss" must be; "" takes every issuer that signs with one of the keys.
	Issuer string
	// Audience is what "aud" must name. If it is "", tokens with an audience are refused: they are meant for somebody else (RFC
	// 7519, section 4.1.3).
	Audience string

	// Leeway is how far the clocks of issuers may be off: 0 means DefaultLeeway, less than 0 none.
	Leeway time.Duration
	// MaxTTL is the longest time between "iat" and "exp": 0 means DefaultMaxTTL. Revocations are kept as long. Less than 0 means
	// that there is no such bound; tokens then need no "iat", and each revocation must say when it may be forgotten.
	MaxTTL time.Duration
	// AllowForever takes tokens without "exp". It needs a negative MaxTTL.
	AllowForever bool
	// MaxToken is the longest token, in bytes: 0 means DefaultMaxToken.
	MaxToken int

	// Revocations is the list that [Verifier.Revoke] adds to and Verify asks; nil means one of the verifier's own.
	Revocations *Revocations
	// MaxRevocations is how many revocations are held at a time: 0 means DefaultMaxRevocations.
	MaxRevocations int
	// OnRevoke, if not nil, is told of each revocation, on the goroutine of [Verifier.Revoke] and after tokens are refused for
	// it, or cannot be because too many are held: the place to end sessions that live.
	OnRevoke func(Revocation)

	// Refresh is how often key servers are asked: 0 means DefaultRefresh.
	Refresh time.Duration
	// FileInterval is how often files are looked at: 0 means DefaultFileInterval.
	FileInterval time.Duration
	// UnknownKeyInterval is how long after a load tokens with unknown key ids cause no other: 0 means DefaultUnknownKeyInterval.
	UnknownKeyInterval time.Duration
	// MaxStale is how long keys are used whose file or server is out of reach or answers nonsense: 0 means DefaultMaxStale.
	MaxStale time.Duration
	// Timeout is how long a key server may take for its whole answer: 0 means DefaultTimeout.
	Timeout time.Duration
	// Client asks key servers; its redirections are bounded here. nil means one that uses the proxy of the environment.
	Client *http.Client

	// Previous is the verifier whose place this one takes, if any: what that one has loaded from a file or key server of Keys is used
	// until it is loaded again, so that nobody is refused because a key server does not answer just now. It may be closed afterwards.
	Previous *Verifier

	// Log is told when keys change and when they cannot be loaded. nil means nobody.
	Log *slog.Logger
}

// What Options are when they are left zero.
const (
	DefaultLeeway             = 30 * time.Second
	DefaultMaxTTL             = 24 * time.Hour
	DefaultMaxToken           = 8 << 10
	DefaultMaxRevocations     = 100_000
	DefaultRefresh            = 15 * time.Minute
	DefaultFileInterval       = 10 * time.Second
	DefaultUnknownKeyInterval = 30 * time.Second
	DefaultMaxStale           = 24 * time.Hour
	DefaultTimeout            = 5 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.AllowForever && o.MaxTTL >= 0 {
		return o, errors.New("auth: tokens that never expire are allowed and bounded; set MaxTTL to less than 0, or AllowForever to false")
	}
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
		name  string
	}{
		{&o.Refresh, DefaultRefresh, "Refresh"}, {&o.FileInterval, DefaultFileInterval, "FileInterval"},
		{&o.UnknownKeyInterval, DefaultUnknownKeyInterval, "UnknownKeyInterval"},
		{&o.MaxStale, DefaultMaxStale, "MaxStale"}, {&o.Timeout, DefaultTimeout, "Timeout"},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("auth: %s is %v; leave it out for %v", d.name, *d.value, d.zero)
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	if o.MaxToken < 0 || o.MaxRevocations < 0 {
		return o, errors.New("auth: MaxToken or MaxRevocations is negative; leave it out for the default")
	}
	if o.Leeway == 0 {
		o.Leeway = DefaultLeeway
	}
	o.Leeway = max(o.Leeway, 0)
	if o.MaxTTL == 0 {
		o.MaxTTL = DefaultMaxTTL
	}
	if o.MaxToken == 0 {
		o.MaxToken = DefaultMaxToken
	}
	if o.MaxRevocations == 0 {
		o.MaxRevocations = DefaultMaxRevocations
	}
	if o.Revocations == nil {
		o.Revocations = new(Revocations)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Client = boundedClient(o.Client)
	return o, nil
}

const maxRedirects = 3

func boundedClient(client *http.Client) *http.Client {
	bounded := http.Client{}
	if client != nil {
		bounded = *client
	}
	bounded.CheckRedirect = func(request *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirections; give the URL at their end", maxRedirects)
		}
		from, to := via[0].URL, request.URL
		switch {
		case to.Scheme == "https":
			return nil
		case from.Scheme == "https":
			return errors.New("a redirection leaves https; give the URL at its end")
		case isLoopback(from.Hostname()) && !isLoopback(to.Hostname()):
			return errors.New("a redirection leads from this machine over http to another, where anybody on the way can replace keys; give the https URL at its end")
		}
		return nil
	}
	return &bounded
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Verifier says which tokens are good.
type Verifier struct {
	options Options
	sources []*source
	end     context.CancelFunc
	work    sync.WaitGroup // whoever refreshes keys
}

// New makes a verifier. It fails if a secret or a file is no good; a key server need not answer yet, for it is asked again. The
// caller closes it.
func New(options Options) (*Verifier, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(options.Keys) == 0 {
		return nil, errors.New("auth: there is no key to check tokens with; give a secret, a file or a URL")
	}
	previous := options.Previous
	options.Previous = nil // which would keep it, and all before it
	v := &Verifier{options: options}
	life, end := context.WithCancel(context.Background())
	v.end = end
	for _, k := range options.Keys {
		if err := k.check(); err != nil {
			end()
			return nil, fmt.Errorf("auth: %w", err)
		}
		s := &source{Key: k, options: &v.options, life: life, work: &v.work}
		v.sources = append(v.sources, s)
		if k.URL != "" {
			s.inherit(previous)
			continue
		}
		if s.keys, _, err = s.read(); err != nil {
			end()
			return nil, fmt.Errorf("auth: %v: %w", k, err)
		}
		s.loaded, s.attempted = time.Now(), time.Now()
	}
	for _, s := range v.sources {
		if s.URL != "" {
			s.mu.Lock()
			s.begin()
			s.mu.Unlock()
		}
		if s.refreshes() {
			v.work.Go(s.keep)
		}
	}
	return v, nil
}

// Close ends what the verifier does in the background and waits for it. Whoever is at Verify finishes, with the keys there are.
func (v *Verifier) Close() {
	for _, s := range v.sources {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
	v.end()
	v.work.Wait()
}

// Reload loads all files and asks all key servers now, until ctx ends: what SIGHUP is for. It returns what went wrong, and old
// keys stay where it did.
func (v *Verifier) Reload(ctx context.Context) error {
	var all sync.WaitGroup
	for _, s := range v.sources {
		if s.refreshes() {
			all.Go(func() { s.refresh(ctx) })
		}
	}
	all.Wait()
	failures := []error{ctx.Err()}
	for _, state := range v.Keys() {
		if state.Err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", state.Source, state.Err))
		}
	}
	return errors.Join(failures...)
}

// KeyState is how one of Options.Keys stands.
type KeyState struct {
	Source string    // a path, a URL without password and query, or the name of a secret
	Keys   int       // how many are in use
	Loaded time.Time // when they were last loaded; zero if never
	Err    error     // why the last load failed, or nil
}

// Keys says how the keys stand, in the order of Options.Keys. A node is not ready while one has no keys.
func (v *Verifier) Keys() []KeyState {
	var states []KeyState
	for _, s := range v.sources {
		keys, _ := s.snapshot(time.Now())
		s.mu.Lock()
		states = append(states, KeyState{Source: s.String(), Keys: len(keys), Loaded: s.loaded, Err: s.failure})
		s.mu.Unlock()
	}
	return states
}

func sameKeys(a, b []key) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].id != b[i].id || a[i].algorithm != b[i].algorithm || !samePublic(a[i].public, b[i].public) {
			return false
		}
	}
	return true
}

func samePublic(a, b any) bool {
	if secret, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && string(secret) == string(other)
	}
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
}
