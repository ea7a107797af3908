// Requests, and what an answer that is not the one we wanted means.

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
)

const (
	longestAnswer   = 256 << 10 // bytes read of a body
	longestSentence = 300       // bytes quoted of it
)

// answer is one that has come whole.
type answer struct {
	status int
	proto  string
	header http.Header
	body   []byte
	took   time.Duration
	when   time.Time // in the middle of the request
}

// ask sends a request and reads the answer, bounded by ctx.
func (e *examination) ask(ctx context.Context, method string, at *url.URL, header http.Header) (*answer, error) {
	start := time.Now()
	response, err := e.send(ctx, method, at, header)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	took := time.Since(start)
	a := &answer{status: response.StatusCode, proto: response.Proto, header: response.Header, took: took, when: start.Add(took / 2)}
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer)); err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	return a, nil
}

// send sends a request, with the token if it may be sent. Whoever gets the response closes its body.
func (e *examination) send(ctx context.Context, method string, at *url.URL, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	e.sign(request.Header, e.withToken)
	response, err := e.client.Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL, which is known
	}
	return response, err
}

// sign says who asks.
func (e *examination) sign(header http.Header, withToken bool) {
	if withToken {
		header.Set("Authorization", "Bearer "+e.Token)
	}
	header.Set("User-Agent", "ringdown-doctor")
}

// problem reads a refusal of ours; nil if the answer is none.
func (a *answer) problem() *hub.Error {
	var p struct {
		Code   hub.Code `json:"code"`
		Detail string   `json:"detail"`
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(a.body, &p) != nil || p.Code == "" {
		return nil
	}
	return hub.Errorf(p.Code, "%s", quoted(p.Detail))
}

// said is the answer in a few words.
func (a *answer) said() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(a.body)), "\n")
	switch {
	case a.problem() != nil:
		line = a.problem().Error()
	case strings.HasPrefix(line, "<"):
		line = "a page of HTML"
	}
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if line = quoted(line); line != "" {
		text += ": " + line
	}
	return text
}

// refused reports an answer that is not the one that what should have got.
func (e *examination) refused(step, what string, a *answer) {
	text := fmt.Sprintf("%s was answered with %s", what, a.said())
	report, cure := e.fail, ""
	if p := a.problem(); p != nil {
		cure = "see docs/errors.md"
		if row, _ := hub.RefusalOf(p); row.Code == p.Code {
			cure = row.Cure
		}
		switch {
		case p.Code == hub.NotAllowed: // the doctor's channel, not the way
			report, cure = e.warn, "name a channel that may be listened to (--channel), or give a token that may (--token-file)"
		case p.Code == hub.Unauthorized && e.Token == "": // the doctor was told of none
			report, cure = e.warn, "the node lets in nobody without a token; give one (--token-file), and the rest is looked at"
		}
		report(step, text, cure)
		return
	}
	report(step, text, e.statusCure(a))
}

// statusCure is what to do about a status that no node of ours gave.
func (e *examination) statusCure(a *answer) string {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return fmt.Sprintf("use the address that it redirects to (%s): WebSockets and event streams of browsers do not follow a redirect well", quoted(a.header.Get("Location")))
	case http.StatusBadRequest:
		return "the request was not understood on its way: if a proxy sends a PROXY header (HAProxy: send-proxy-v2, nginx: proxy_protocol), the node must be configured to expect it"
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "a proxy asks for a password; let the node's paths pass without"
	case http.StatusForbidden:
		return "something in front of the node refuses it, perhaps a firewall for web applications; let the node's paths pass"
	case http.StatusNotFound:
		return "what answers there does not send this path to the node; " + e.cure(remedy{
			"location / { proxy_pass http://node; } without a path behind the name", "default_backend for these paths", "reverse_proxy without a matcher that leaves them out"})
	case http.StatusMisdirectedRequest:
		return "the node is in dev mode, which answers as localhost only; start it without --dev"
	case http.StatusTooManyRequests:
		return "a rate limit; wait, or raise it for this address"
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "the proxy cannot reach the node: start the node, and look at the address that the proxy has of it"
	case http.StatusGatewayTimeout:
		return "the proxy gave up waiting: " + e.cure(longReads)
	}
	return "look at the log of whoever answers"
}

// unanswered is what to do about a request that got no answer.
func unanswered(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return "whoever listens there takes connections and does not answer: look at whether the server hangs, or whether another protocol is expected (TLS, PROXY protocol)"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed without an answer: another protocol may be expected there (TLS, PROXY protocol), or a firewall looks into requests"
	}
	return "look at the log of whoever listens there"
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// quoted cuts what a stranger said to one short line of valid UTF-8.
func quoted(text string) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= longestSentence {
		return text
	}
	cut := longestSentence
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
