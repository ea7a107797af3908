// Package doctor walks the way from this machine to a Ringdown node, step by step, and says in words what is wrong and how to mend
// it: names, addresses, TLS, the proxies in between and what they do to WebSockets, event streams and polls, origins, tokens,
// clocks.
//
//	report, err := doctor.Examine(ctx, doctor.Options{URL: "https://rt.example.com"})
//	if err != nil {
//		return err // the options make no sense
//	}
//	for _, f := range report.Findings {
//		fmt.Println(f.Status, f.Step, f.Text, f.Cure)
//	}
//
// It only reads: nothing is published. Every step is bounded by Options.Timeout, those that watch a quiet line by Options.Idle. A
// token is sent only over TLS that verifies, or to this machine, and never stands in a finding.
package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"
)

// What an [Options] field is when it is left zero.
const (
	DefaultTimeout = 5 * time.Second
	DefaultChannel = "doctor"
)

// Options say what is examined. All but URL may be left zero.
type Options struct {
	// URL is a node's, or that of a path of it (/connect, /channels/NAME): http, https, ws or wss. What comes before such a path
	// is taken for the prefix under which a proxy shows the node.
	URL string
	// Channel is the channel that is listened to. Empty means the one that URL names, or else DefaultChannel.
	Channel string
	// Origin is that of a page that should be able to connect, as https://app.example.com. Whether pages of the URL's own origin
	// can is looked at in any case.
	Origin string
	// Token is used where the server takes one.
	Token string
	// Ready asks the node's /readyz in place of all that clients would do.
	Ready bool
	// Idle is how long quiet lines are watched. 0 leaves that out.
	Idle time.Duration
	// Timeout bounds every other step. 0 means DefaultTimeout.
	Timeout time.Duration
	// PID is the process of the server, if it runs on this machine: its limit on open files is looked at. 0 leaves that out.
	PID int
	// Insecure goes on when the certificate of the server does not verify. A token is then sent all the same.
	Insecure bool
	// Roots are the certificate authorities that are trusted. nil means those of the system.
	Roots *x509.CertPool
	// Tell is called with each finding as it is made, on the goroutine of Examine. May be nil.
	Tell func(Finding)
}

// examination is one call of Examine. All of it belongs to that goroutine; those that idle starts read only.
type examination struct {
	Options
	target *target
	report *Report

	client *http.Client
	tls    *tls.Config

	secret    bool          // nobody on the way can read a token
	withToken bool          // requests carry the token; false until it was judged
	user      string        // whose the token is, if it says so
	front     product       // who answers requests, as far as it names itself
	trip      time.Duration // how long a request took
	cursor    string        // where the channel is; "" if that is not known
}

// Examine walks the way and reports what it found. The error says which option makes no sense. When ctx ends, what is left is
// reported as not examined.
func Examine(ctx context.Context, o Options) (*Report, error) {
	t, err := parseTarget(o.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Idle < 0 || o.Timeout < 0:
		return nil, errors.New("a time is negative; write it as 70s")
	case o.Origin != "":
		if err := checkOrigin(o.Origin); err != nil {
			return nil, err
		}
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Channel = cmp.Or(o.Channel, t.channel, DefaultChannel)
	e := &examination{Options: o, target: t, report: &Report{URL: t.String()}}
	e.tls = &tls.Config{RootCAs: o.Roots, InsecureSkipVerify: o.Insecure}
	transport := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
		TLSClientConfig:        e.tls.Clone(),
		TLSHandshakeTimeout:    o.Timeout,
		ForceAttemptHTTP2:      true, // as a browser would
		DisableCompression:     true, // what is encoded is to be seen
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer transport.CloseIdleConnections()
	e.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	e.walk(ctx)
	return e.report, nil
}

// walk goes from one step to the next. The first ones are those without which nothing else can be said.
func (e *examination) walk(ctx context.Context) {
	e.files()
	first := []func(context.Context) bool{e.resolve, e.connect, e.handshake, e.request}
	if e.Ready {
		first[3] = e.ready
	}
	for _, step := range first {
		if ctx.Err() != nil || !step(ctx) {
			e.interrupted(ctx)
			return
		}
	}
	if e.Ready {
		return
	}
	for _, step := range []func(context.Context){e.token, e.poll, e.longPoll, e.events, e.upgrade, e.origins, e.idle} {
		if ctx.Err() != nil {
			break
		}
		step(ctx)
	}
	e.interrupted(ctx)
}

func (e *examination) interrupted(ctx context.Context) {
	if ctx.Err() != nil {
		e.fail("doctor", "the examination was interrupted; what came after this was not looked at", "run it again, with more time")
	}
}

// within bounds a step.
func (e *examination) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.Timeout)
}
