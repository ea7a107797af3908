// Requests of the transports that are no WebSocket, and what their answers mean.

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// requester sends requests to one server.
type requester struct {
	address
	ctx    context.Context // of the wire
	http   *http.Client
	host   string
	limit  int64 // bytes of an answer
	alive  func()
	header *header
}

// header may change while requests are sent.
type header struct {
	mu sync.Mutex
	h  http.Header
}

func newRequester(to *route) requester {
	return requester{address: to.address, http: httpClient(to), host: to.dial.Host, limit: int64(to.dial.Limits.Message), alive: to.alive,
		header: &header{h: to.dial.Header}}
}

// httpClient connects as a WebSocket would.
func httpClient(to *route) *http.Client {
	d := &to.dial
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: opening,
		IdleConnTimeout: 90 * time.Second}
	if d.TLSConfig != nil {
		t.TLSClientConfig = d.TLSConfig.Clone()
	}
	if d.Proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return d.Proxy(r.URL) }
	}
	if to.unix != "" {
		dial := d.DialContext
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", to.unix) }
	}
	return &http.Client{Transport: t, Jar: d.Jar, CheckRedirect: mayRedirect}
}

// mayRedirect has encryption not given up, nor redirects followed for ever.
func mayRedirect(to *http.Request, before []*http.Request) error {
	if to.URL.Scheme != "https" && before[0].URL.Scheme == "https" {
		return errors.New("it redirects from https to http, which would give up the encryption")
	}
	if len(before) > mostRedirects {
		return fmt.Errorf("it redirects more than %d times", mostRedirects)
	}
	return nil
}

const mostRedirects = 5 // as many as a WebSocket follows

// authenticate shows another token from now on.
func (r *requester) authenticate(token string) {
	r.header.mu.Lock()
	defer r.header.mu.Unlock()
	r.header.h = authorized(r.header.h, token)
}

// send gets an answer that is a success. The body is to be closed by the caller.
func (r *requester) send(ctx context.Context, method, path string, parameters url.Values, more http.Header, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.at(path, parameters), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	r.header.mu.Lock()
	request.Header = authorized(r.header.h, "")
	r.header.mu.Unlock()
	for name, values := range more {
		request.Header[name] = values
	}
	request.Host = r.host
	response, err := r.http.Do(request)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err // without the URL, which may hold secrets
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("client: %s %s: %w", method, path, err)
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, refusalOf(response)
	}
	return response, nil
}

// ask is send, and the JSON of the answer. A line on which that takes more than within is silent.
func (r *requester) ask(ctx context.Context, method, path string, parameters url.Values, more http.Header, body []byte, within time.Duration) (*heard, error) {
	late := fmt.Errorf("%w: no answer to %s %s within %v", ErrSilent, method, path, within)
	ctx, cancel := context.WithTimeoutCause(ctx, within, late)
	defer cancel()
	response, err := r.send(ctx, method, path, parameters, more, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if !isOf(response, "application/json") {
		return nil, errNotRingdown
	}
	h := new(heard)
	if method == http.MethodHead {
		return h, nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, r.limit+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("client: reading the answer to %s %s: %w", method, path, err)
	case int64(len(text)) > r.limit:
		return nil, fmt.Errorf("client: the answer to %s %s has more than %d bytes; raise Options.Dial.Limits.Message", method, path, r.limit)
	}
	return h, unmarshal(text, h)
}

// isOf tells whether an answer is of a type.
func isOf(response *http.Response, want string) bool {
	got, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && got == want
}

// refusalOf is Refusal, and takes the server's word that has no words: the answer to HEAD.
func refusalOf(response *http.Response) *RefusedError {
	e := Refusal(response)
	e.spoken = isOf(response, "application/problem+json")
	if e.Code == "" && e.spoken && e.Status == http.StatusUnauthorized {
		e.Code = "unauthorized"
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	return e
}

// ofRequest tells whether a refusal is about one request only, so that the line goes on: not about the token, the page or the server's
// state.
func ofRequest(e *RefusedError) bool {
	return e.Code != "" && e.Status != http.StatusUnauthorized && e.Status < 500 && e.Code != "foreign_origin" && e.Code != "disconnected"
}

// refusedChannel is a refusal that is about one request only, or nil.
func refusedChannel(err error) *RefusedError {
	if e, ok := errors.AsType[*RefusedError](err); ok && ofRequest(e) {
		return e
	}
	return nil
}

// forGood are the codes with which a server ends what is no WebSocket and does not want the client back.
var forGood = []string{"not_allowed", "token_revoked", "foreign_origin", "disconnected"}

// told is the end of an event stream or of polls that the server has announced.
func told(code, message string, retryAfter float64) *DisconnectError {
	return farewell(&heard{Code: code, Message: message, Reconnect: !slices.Contains(forGood, code), RetryAfter: retryAfter})
}

// codeOf is the server's own word for a failure, or "".
func codeOf(err error) string {
	if e, ok := errors.AsType[*DisconnectError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*RefusedError](err); ok && e.Code != "" {
		return e.Code
	}
	// What close codes say of the token, for the case that the server's own word on it, which comes before, was lost.
	return map[websocket.StatusCode]string{4401: "unauthorized", 4402: "token_expired", 4403: "token_revoked"}[websocket.CloseStatus(err)]
}

// denied tells whether the server could not go on where it was asked to.
func (h *heard) denied() bool { return h.Recovered != nil && !*h.Recovered }
