// Which pages may connect: those that the node or its proxy serves itself, and those of an origin that was asked about.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/websocket"
)

// origins looks at the URL's own origin, as its pages would connect, and at the one that was asked about.
func (e *examination) origins(ctx context.Context) {
	if own := e.target.origin(); own != e.Origin {
		e.origin(ctx, own, e.warn)
	}
	if e.Origin != "" {
		e.origin(ctx, e.Origin, e.fail)
	}
}

// origin reports a page that cannot connect.
func (e *examination) origin(ctx context.Context, origin string, report func(step, text, cure string)) {
	l, response, err := e.dial(ctx, dialling{origin: origin})
	switch {
	case err == nil:
		l.CloseNow()
	case response != nil && response.StatusCode == http.StatusForbidden:
		report("origin", fmt.Sprintf("pages of %s may not open a WebSocket: %s", origin, words(err)), e.originCure(origin))
		return
	case e.cursor == "": // nor can anybody else; that was said
		return
	}
	ctx, cancel := e.within(ctx)
	defer cancel()
	preflight := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}}
	asks, err := e.ask(ctx, http.MethodGet, e.target.at(url.Values{"limit": {"1"}}, "channels", e.Channel), http.Header{"Origin": {origin}})
	if err == nil && asks.status == http.StatusForbidden && asks.problem() != nil {
		report("origin", fmt.Sprintf("pages of %s may not read channels: %s", origin, asks.said()), e.originCure(origin))
		return
	}
	var may *answer
	if err == nil {
		may, err = e.ask(ctx, http.MethodOptions, e.target.at(nil, "channels", e.Channel), preflight)
	}
	switch {
	case err != nil:
		report("origin", fmt.Sprintf("a request of a page of %s got no answer: %v", origin, err), unanswered(err))
	case !allows(asks.header, origin):
		report("origin", fmt.Sprintf("the node takes requests of %s, but the browser is not told so: Access-Control-Allow-Origin is %q", origin, quoted(asks.header.Get("Access-Control-Allow-Origin"))),
			"let proxies leave the Access-Control fields to the node: neither strip nor add them")
	case !strings.Contains(may.header.Get("Access-Control-Allow-Methods"), http.MethodPost) || !allows(may.header, origin):
		report("origin", fmt.Sprintf("the preflight of a page of %s was answered with %s, without leave to POST", origin, may.said()),
			"let proxies pass OPTIONS to the node, without a password and without an answer of their own")
	default:
		e.ok("origin", "pages of %s may connect", origin)
	}
}

// allows tells whether a browser shows an answer to a page: the field comes once, and says so.
func allows(h http.Header, origin string) bool {
	said := h.Values("Access-Control-Allow-Origin")
	return len(said) == 1 && (said[0] == origin || said[0] == "*")
}

// originCure is what to change so that an origin may connect.
func (e *examination) originCure(origin string) string {
	list := fmt.Sprintf("list it at the node (--origin %s)", origin)
	switch {
	case origin != e.target.origin():
		return list
	case e.target.secure:
		return list + "; where a proxy ends TLS the node cannot know that its own pages come over https"
	}
	return list + ", or have the proxy pass on the Host that the browser named: " + e.cure(remedy{
		nginx:   "proxy_set_header Host $http_host; ($proxy_host by default, and $host has no port)",
		haproxy: "passes Host by itself; take out http-request set-header Host",
		caddy:   "passes Host by itself; take out header_up Host",
	})
}

// words are a handshake's refusal.
func words(err error) string {
	failed, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok {
		return err.Error()
	}
	return quoted(failed.Reason)
}
