// One HTTP exchange with the service: signed, bounded, and judged by what became of it.

package backend

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// userAgent tells the service's log who asks.
const userAgent = "Ringdown"

// idle is how long a connection is kept for the next request: shorter than the 60 to 75 s after which servers and proxies close
// theirs, for a request that meets a connection being closed fails.
const idle = 30 * time.Second

// service is one URL and how it is spoken to.
type service struct {
	url     string
	name    string // the URL without its query, which may hold a secret: for logs and errors
	secrets []Secret
	client  *http.Client
	max     int64 // bytes of an answer
}

// trouble is an exchange that brought no answer to read.
type trouble struct {
	err        error
	undone     bool          // nothing was done with the request: it may be repeated
	invalid    bool          // there was an answer, which is not one of ours
	tooLarge   bool          // the request is more than the service takes
	acked      bool          // the service said 2xx, and then something that cannot be read
	retryAfter time.Duration // what the service asks for; 0 if nothing
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

// checkURL refuses what cannot be asked, and returns the URL as it is shown.
func checkURL(s string) (name string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("backend: the URL is none of http or https; write it as https://app.example.com/ringdown") // it may hold a secret
	}
	if u.User != nil {
		return "", fmt.Errorf("backend: the URL of %s has a user or a password in it; leave them out: requests are signed", u.Host)
	}
	if u.Fragment != "" {
		return "", fmt.Errorf("backend: the URL of %s has a fragment (#), which is never sent; leave it out", u.Host)
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String(), nil
}

// newClient makes a client with at most so many connections to a host, which follows no redirect: the answer is to come from the
// service that was configured.
func newClient(connections int, t *tls.Config, wrap func(http.RoundTripper) http.RoundTripper) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        t.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        connections,
		MaxIdleConnsPerHost:    connections,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true, // so that the bound of an answer is one of what was sent
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if wrap != nil {
		client.Transport = wrap(transport)
	}
	return client
}

// post sends the body and returns what a 2xx answered. The error is a *trouble, or ctx's own if ctx has ended.
func (s *service) post(ctx context.Context, hook, id string, body []byte) ([]byte, error) {
	var reached atomic.Bool // a connection was had, on which the request may have got there
	trace := httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &trace), http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, &trouble{err: errors.New("the URL cannot be asked"), invalid: true}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("Ringdown-Hook", hook)
	r.Header.Set("Ringdown-Request", id)
	r.Header.Set(SignatureHeader, Sign(body, time.Now(), s.secrets...))
	response, err := s.client.Do(r)
	if err != nil {
		return nil, s.lost(ctx, err, !reached.Load())
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection can be used again
		return nil, s.refused(response)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, s.max+1))
	if err != nil {
		return nil, s.lost(ctx, err, false)
	}
	if int64(len(answer)) > s.max {
		return nil, &trouble{invalid: true, acked: true, err: fmt.Errorf("%s answered more than %d bytes; answer less, or raise the bound", s.name, s.max)}
	}
	return answer, nil
}

// lost is the trouble of an exchange that the network or the clock has ended.
func (s *service) lost(ctx context.Context, err error, undone bool) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
			return &trouble{undone: undone, err: fmt.Errorf("%s did not answer in time (%w); make the service faster, or raise the hook's time-out", s.name, cause)}
		}
		return ctx.Err()
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // without the URL, which may hold a secret
	}
	return &trouble{undone: undone, err: fmt.Errorf("%s cannot be asked: %w; check that the service runs there and can be reached from here", s.name, err)}
}

// errTimeout is the cause of contexts that a hook's time-out has ended.
var errTimeout = errors.New("timed out")

// refused is the trouble that a status tells.
func (s *service) refused(r *http.Response) *trouble {
	err := fmt.Errorf("%s answered with status %d", s.name, r.StatusCode)
	switch {
	case r.StatusCode/100 == 3:
		return &trouble{invalid: true, err: fmt.Errorf("%w, a redirect, which is not followed; configure the URL that it leads to", err)}
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusServiceUnavailable:
		return &trouble{undone: true, retryAfter: retryAfter(r.Header.Get("Retry-After"), time.Now()), err: fmt.Errorf("%w: it has too much to do", err)}
	case r.StatusCode == http.StatusRequestTimeout, r.StatusCode == http.StatusTooEarly, r.StatusCode >= 500:
		return &trouble{err: fmt.Errorf("%w; look into the service's log", err)}
	case r.StatusCode == http.StatusUnauthorized:
		return &trouble{invalid: true, err: fmt.Errorf("%w; give both sides the same secret, and look at their clocks", err)}
	case r.StatusCode == http.StatusRequestEntityTooLarge:
		return &trouble{invalid: true, tooLarge: true, err: fmt.Errorf("%w; let the service take longer requests", err)}
	}
	return &trouble{invalid: true, err: fmt.Errorf("%w; answer 200 with JSON, for a denial, too", err)}
}

// retryAfter reads the field of that name (RFC 9110 §10.2.3): seconds, or a date.
func retryAfter(field string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(field, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(field); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// close gives up the connections that nobody uses.
func (s *service) close() { s.client.CloseIdleConnections() }

// or is n, or the default if n is zero; negative bounds are refused.
func or[T int | int64 | time.Duration](problems *[]error, name string, n, ifZero T) T {
	if n < 0 {
		*problems = append(*problems, fmt.Errorf("backend: %s is negative; leave it out for the default, %v", name, ifZero))
	}
	return cmp.Or(n, ifZero)
}
