// Which pages may use a channel: the same as over WebSocket, and the browser is told so (CORS, in the Fetch standard).

package channelhttp

import (
	"errors"
	"net/http"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

const (
	allowedMethods = "GET, HEAD, POST, OPTIONS"
	// allowedFields may be sent by pages of listed origins.
	allowedFields = "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, Ringdown-Event, Ringdown-Key"
	// exposedFields may be read by them.
	exposedFields = "Allow, Retry-After"
	// preflightAge is how long a browser may remember the answer to a preflight, in seconds; browsers take two hours at most.
	preflightAge = "7200"
)

// crossOrigin refuses a page that is not listed, and has the browser show the answer to one that is.
func (g *Gateway) crossOrigin(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	header.Add("Vary", "Accept, Origin")
	origin := r.Header.Get("Origin")
	if err := g.origins.CheckOrigin(r); err != nil {
		refused, _ := errors.AsType[*websocket.HandshakeError](err)
		return hub.Errorf(hub.ForeignOrigin, "%s", refused.Reason)
	}
	if g.options.Accept.AnyOrigin { // without the visitor's cookies
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", exposedFields)
		return nil
	}
	if origin == "" {
		return fetched(r)
	}
	header.Set("Access-Control-Expose-Headers", exposedFields)
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	return nil
}

// fetched refuses what a foreign page makes a browser send without telling its origin, such as an image; a link may be followed. See
// Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.
func fetched(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		return nil
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return nil
	}
	return hub.Errorf(hub.ForeignOrigin, "a page of another site sent this request without telling its origin; "+
		"let it use fetch, and list its origin (AcceptOptions.Origins, --origin of ringdown serve)")
}

// preflight answers OPTIONS: to a browser that asks on behalf of a listed page, and to anybody else who wants to know.
func preflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Allow", allowedMethods)
	if r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", allowedMethods)
		header.Set("Access-Control-Allow-Headers", allowedFields)
		header.Set("Access-Control-Max-Age", preflightAge)
	}
	w.WriteHeader(http.StatusNoContent)
}
