// Who answers, as far as it names itself, and what to change there.

package doctor

import (
	"net/http"
	"strings"
)

// product is a proxy whose settings we can name. The zero value is one that says nothing of itself, such as HAProxy, or none.
type product string

const (
	nginx   product = "nginx"
	haproxy product = "HAProxy"
	caddy   product = "Caddy"
)

// remedy is what to change, by product.
type remedy struct{ nginx, haproxy, caddy string }

// cure is the part of a remedy that fits whoever answers; all of it if that is not known.
func (e *examination) cure(r remedy) string {
	switch e.front {
	case nginx:
		return "nginx: " + r.nginx
	case haproxy:
		return "HAProxy: " + r.haproxy
	case caddy:
		return "Caddy: " + r.caddy
	}
	all := "nginx: " + strings.TrimSuffix(r.nginx, ";") + "; HAProxy: " + r.haproxy + "; Caddy: " + r.caddy
	if e.front == "" {
		return all
	}
	return "in " + string(e.front) + ", or what stands behind it (" + all + ")"
}

// marks are fields by which services give themselves away.
var marks = []struct {
	field string
	product
}{
	{"Cf-Ray", "Cloudflare"},
	{"X-Amz-Cf-Id", "Amazon CloudFront"},
	{"X-Envoy-Upstream-Service-Time", "Envoy"},
	{"Fly-Request-Id", "Fly.io"},
	{"X-Vercel-Id", "Vercel"},
	{"X-Azure-Ref", "Azure Front Door"},
	{"X-Varnish", "Varnish"},
}

// servers are how products begin their Server field.
var servers = []struct {
	begins string
	product
}{
	{"nginx", nginx},
	{"openresty", nginx},
	{"haproxy", haproxy},
	{"caddy", caddy},
	{"cloudflare", "Cloudflare"},
	{"cloudfront", "Amazon CloudFront"},
	{"awselb", "AWS Elastic Load Balancing"},
	{"envoy", "Envoy"},
	{"istio-envoy", "Envoy"},
	{"apache", "Apache"},
	{"microsoft-iis", "IIS"},
	{"varnish", "Varnish"},
	{"traefik", "Traefik"},
}

// identify tells who stands in front, and how it is called in a sentence. A Ringdown node itself sets neither Server nor Via.
func identify(h http.Header) (front product, sentence string) {
	server, via := quoted(h.Get("Server")), strings.Join(h.Values("Via"), ", ")
	var said []string
	if server != "" {
		said = append(said, "Server: "+server)
		for _, s := range servers {
			if strings.HasPrefix(strings.ToLower(server), s.begins) {
				front = s.product
			}
		}
	}
	if via != "" {
		said = append(said, "Via: "+quoted(via))
		if front == "" && strings.Contains(strings.ToLower(via), "caddy") {
			front = caddy
		}
	}
	for _, m := range marks {
		if h.Get(m.field) != "" {
			front = m.product
			said = append(said, m.field)
		}
	}
	if len(said) == 0 {
		return "", "no proxy names itself (the node answers, or one that keeps quiet, as HAProxy does)"
	}
	if front == "" {
		return "", "a proxy answers (" + strings.Join(said, ", ") + ")"
	}
	return front, string(front) + " answers (" + strings.Join(said, ", ") + ")"
}

// cached tells which field says that a cache has answered, or "".
func cached(h http.Header) string {
	for _, field := range []string{"X-Cache", "Cf-Cache-Status", "X-Cache-Status", "X-Proxy-Cache"} {
		if strings.Contains(strings.ToUpper(h.Get(field)), "HIT") {
			return field + ": " + quoted(h.Get(field))
		}
	}
	if age := h.Get("Age"); age != "" && age != "0" {
		return "Age: " + quoted(age)
	}
	return ""
}
