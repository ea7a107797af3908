// Who is let in: keys, and pages of other origins.

package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// nobody is whose requests are that need no key.
var nobody = &Key{Name: "(none)", Rights: []Right{Publish, Read, Manage}}

// admit returns the key of a request, which has the right that the route needs.
func (a *Handler) admit(r *http.Request, route route) (*Key, error) {
	key, err := a.identify(r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(key.Rights, route.right) {
		return nil, hub.Errorf(hub.NotAllowed, "this key has not the right %q, which %s needs; use another key, or give it the right", route.right, route.name)
	}
	if route.whole && key.bound() {
		return nil, hub.Errorf(hub.NotAllowed, "this key is bound to some channels, and %s is about more; use one that is not bound", route.name)
	}
	return key, nil
}

// Reading serves next, which only reads and is no operation of the API, to programs on this machine itself and to whoever has a key that
// may read and is bound to no channel. Others are refused as by the API.
func (a *Handler) Reading(name string, next http.Handler) http.Handler {
	what := route{name: name, right: Read, whole: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := a.crossOrigin(w, r)
		if err == nil && !done && !direct(r) {
			_, err = a.admit(r, what)
		}
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case !done:
			next.ServeHTTP(w, r)
		}
	})
}

// identify returns the key of a request.
func (a *Handler) identify(r *http.Request) (*Key, error) {
	given := r.Header["Authorization"]
	if len(given) == 0 && a.options.Open && direct(r) {
		return nobody, nil
	}
	if len(given) != 1 {
		return nil, hub.Errorf(hub.Unauthorized, "the request has %d Authorization headers; send one, as Authorization: Bearer <key>", len(given))
	}
	scheme, secret, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, hub.Errorf(hub.Unauthorized, "the Authorization header is not of the scheme Bearer; send Authorization: Bearer <key>")
	}
	if secret = strings.TrimSpace(secret); len(secret) <= maxSecret {
		if key := a.options.Keys.find(secret); key != nil {
			return key, nil
		}
	}
	if a.options.Keys.Len() == 0 {
		return nil, hub.Errorf(hub.Unauthorized, "this server has no API keys, so nobody can use its API; configure one")
	}
	return nil, hub.Errorf(hub.Unauthorized, "this is none of the server's API keys; check it, and that the server was told of it")
}

// direct tells whether a request comes from this machine itself, and was not brought about by a page whose name an attacker has let
// point here ("DNS rebinding").
func direct(r *http.Request) bool {
	for _, field := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin"} {
		if len(r.Header[field]) > 0 {
			return false
		}
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err = netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// crossOrigin refuses what a page asks for whose origin is not listed, and answers the question of browsers before they send what
// a page that is listed asks for (Fetch, "CORS-preflight request"). It reports whether it has answered.
func (a *Handler) crossOrigin(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	w.Header().Add("Vary", "Origin")
	site := r.Header.Get("Sec-Fetch-Site")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "" && (site == "" || site == "none"):
		return false, nil
	case !slices.Contains(a.options.Origins, origin) || len(r.Header["Origin"]) != 1:
		return false, hub.Errorf(hub.ForeignOrigin, "the API is for servers, and pages of the origin %.100q may not use it; ask a server of yours, or list the origin", origin)
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions {
		return false, nil
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true, nil
}
