// The client of a request, from what the proxies on its way have written down.

package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Client is who sent a request, as far as those on the way can be trusted.
type Client struct {
	Address netip.Addr // the client's, without a zone; the zero Addr if nobody knows it, as over a Unix socket
	Scheme  string     // how the client reached the first trusted proxy, or us: "http" or "https"
	Host    string     // the host that it asked for, perhaps with a port
	Proxied bool       // a trusted proxy has told
}

// String is the client's address for a log, or "unknown".
func (c Client) String() string {
	if !c.Address.IsValid() {
		return "unknown"
	}
	return c.Address.String()
}

type clientKey struct{}

// From is the client of a request that came through [Trusted.Handler]; of another, it is the peer.
func From(r *http.Request) Client {
	if c, ok := r.Context().Value(clientKey{}).(Client); ok {
		return c
	}
	return (*Trusted)(nil).Client(r)
}

// With is a context whose requests are the client's, by [From]; for a request that is made of what is left of another.
func With(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// Handler lets next, and whatever it calls, find the client by [From]. For a request that a trusted proxy has passed on it also sets
// the request's RemoteAddr, to the client's address with port 0, and its Host. The header fields stay as they came.
func (t *Trusted) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := t.Client(r)
		r = r.WithContext(With(r.Context(), c))
		if c.Proxied {
			r.Host = c.Host
			if c.Address.IsValid() {
				r.RemoteAddr = netip.AddrPortFrom(c.Address, 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Client is who sent r, by Forwarded or by X-Forwarded-For, -Proto and -Host, as the proxies write them. Where something cannot be
// read, what stands to the right of it counts, and nothing more is believed: the client is then the last trusted proxy that could be
// told.
func (t *Trusted) Client(r *http.Request) Client {
	c := Client{Scheme: "http", Host: r.Host, Address: peerAddress(r.RemoteAddr)}
	if r.TLS != nil {
		c.Scheme = "https"
	}
	switch {
	case !t.believes(r, c.Address):
	case t.Forwarded:
		t.followForwarded(&c, strings.Join(r.Header.Values("Forwarded"), ","))
	default:
		t.followXForwarded(&c, r.Header)
	}
	return c
}

// believes reports whether the peer that sent r is trusted. Over a Unix socket it has no address, as has who comes from nowhere.
func (t *Trusted) believes(r *http.Request, peer netip.Addr) bool {
	if peer.IsValid() || t == nil {
		return t.Contains(peer)
	}
	if r.RemoteAddr == (nowhere{}).String() {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, unix := local.(*net.UnixAddr)
	return unix && t.unix
}

// hop is what one proxy has written down of whom it served.
type hop struct {
	address netip.Addr // the zero Addr if it does not want to say
	scheme  string     // "" if it has not said
	host    string
}

// followForwarded walks from the nearest proxy outwards.
func (t *Trusted) followForwarded(c *Client, field string) {
	for range longest {
		var element string
		field, element = cutLast(field)
		h, readable := parseElement(element)
		if !readable || !t.step(c, h) {
			return
		}
	}
}

// step goes from a trusted proxy to whom it served, and reports whether that is a trusted proxy, too, whose word counts further.
func (t *Trusted) step(c *Client, h hop) bool {
	c.Proxied = true
	c.Address = h.address
	if h.scheme != "" {
		c.Scheme = h.scheme
	}
	if h.host != "" {
		c.Host = h.host
	}
	return t.Contains(h.address)
}

// followXForwarded does the same for the older fields. X-Forwarded-Proto and -Host are lists in which nobody says which item is whose;
// the nearest proxy's is the last.
func (t *Trusted) followXForwarded(c *Client, header http.Header) {
	list := items(header.Values("X-Forwarded-For"))
	for i := len(list) - 1; i >= 0; i-- {
		address, ok := parseNode(list[i])
		if !ok || !t.step(c, hop{address: address}) {
			break
		}
	}
	if scheme, ok := last(header.Values("X-Forwarded-Proto")); ok && isHTTP(scheme) {
		c.Scheme, c.Proxied = strings.ToLower(scheme), true
	}
	if host, ok := last(header.Values("X-Forwarded-Host")); ok && validHost(host) {
		c.Host, c.Proxied = host, true
	}
}

func isHTTP(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// last is the last item of a list in header fields.
func last(fields []string) (string, bool) {
	list := items(fields)
	if len(list) == 0 {
		return "", false
	}
	return list[len(list)-1], true
}

// items are those of a list in header fields (RFC 9110, section 5.6.1), at most the last 64.
func items(fields []string) []string {
	if len(fields) == 0 {
		return nil
	}
	list := strings.Split(strings.Join(fields, ","), ",")
	list = list[max(0, len(list)-longest):]
	for i := range list {
		list[i] = strings.Trim(list[i], " \t")
	}
	return list
}

// peerAddress is the address in a request's RemoteAddr, or the zero Addr.
func peerAddress(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
