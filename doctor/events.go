// Server-Sent Events: does the stream begin, and does its beginning come at once?

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// unbuffered is the remedy for streams that are held back.
var unbuffered = remedy{
	nginx:   "proxy_buffering off; and neither proxy_ignore_headers X-Accel-Buffering nor gzip for text/event-stream",
	haproxy: "option http-no-delay, and no compression for text/event-stream",
	caddy:   "reverse_proxy with flush_interval -1, and encode not for text/event-stream",
}

// sluggish is how much longer than a request the beginning of a stream may take.
const sluggish = 2 * time.Second

// stream is an event stream that has begun to answer.
type stream struct {
	response *http.Response
	headed   time.Duration // until the header was there
}

// openStream asks for an event stream. Whoever gets one closes its body.
func (e *examination) openStream(ctx context.Context) (*stream, error) {
	start := time.Now()
	response, err := e.send(ctx, http.MethodGet, e.target.at(nil, "channels", e.Channel), http.Header{
		"Accept":          {"text/event-stream"},
		"Accept-Encoding": {"gzip, deflate, br"}, // as browsers do
		"Cache-Control":   {"no-store"},
	})
	if err != nil {
		return nil, err
	}
	return &stream{response, time.Since(start)}, nil
}

// events measures when the first bytes come: a node sends some at once, so whoever is silent holds them back.
func (e *examination) events(ctx context.Context) {
	ctx, cancel := e.within(ctx)
	defer cancel()
	start := time.Now()
	s, err := e.openStream(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		e.heldBack(fmt.Sprintf("not even the head of the answer came within %s", e.Timeout))
		return
	case err != nil:
		e.fail("sse", fmt.Sprintf("no answer: %v", err), unanswered(err))
		return
	}
	defer s.response.Body.Close()
	if !e.isStream(s.response) {
		return
	}
	first := make([]byte, 256)
	n, err := io.ReadAtLeast(s.response.Body, first, 1)
	took := time.Since(start)
	switch {
	case n == 0 && ctx.Err() != nil:
		e.heldBack(fmt.Sprintf("the head of the answer came after %s, and then no byte of the stream within %s", brief(s.headed), e.Timeout))
	case n == 0 && errors.Is(err, io.EOF):
		e.fail("sse", "the stream ended before it began", "look at the log of the proxy: it may be one that wants a Content-Length, or speaks HTTP/1.0 and closes")
	case n == 0:
		e.fail("sse", fmt.Sprintf("the stream broke off: %v", err), "look at the log of the proxy")
	case !strings.HasPrefix(string(first[:n]), "retry:"):
		e.warn("sse", fmt.Sprintf("the stream begins with %q, and a node's with retry", quoted(string(first[:min(n, 40)]))), "look at who answers there")
	case took > e.trip+sluggish:
		e.warn("sse", fmt.Sprintf("the first bytes came only after %s, a request takes %s: something holds them back for a while", brief(took), brief(e.trip)), e.cure(unbuffered))
	default:
		e.ok("sse", "the first bytes came at once (%s, %s)%s", brief(took), s.response.Proto, accel(s.response.Header))
	}
}

// isStream looks at the head of the answer.
func (e *examination) isStream(r *http.Response) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.StatusCode != http.StatusOK || media != "text/event-stream" {
		a := &answer{status: r.StatusCode, header: r.Header}
		a.body, _ = io.ReadAll(io.LimitReader(r.Body, longestSentence*4))
		if r.StatusCode == http.StatusOK {
			e.fail("sse", fmt.Sprintf("the answer is %q, no event stream", quoted(media)), "let proxies pass the Accept field on")
			return false
		}
		e.refused("sse", "GET with Accept: text/event-stream", a)
		return false
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		e.warn("sse", fmt.Sprintf("a proxy compresses the stream (%s): events wait until its buffer is full", quoted(encoding)), e.cure(unbuffered))
	}
	return true
}

func (e *examination) heldBack(text string) {
	e.fail("sse", "a proxy holds the event stream back (buffering): "+text+"; a node sends its first bytes at once", e.cure(unbuffered))
}

// accel is a remark: nginx takes this field for itself.
func accel(h http.Header) string {
	if h.Get("X-Accel-Buffering") == "no" {
		return "; X-Accel-Buffering: no has come through"
	}
	return ""
}
