// Proxies: which one, and the way through it.

package connect

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// maxProxyHeader bounds the answer of a proxy, in bytes.
const maxProxyHeader = 64 << 10

func (d *Dialer) proxyFor(t *Target) (*url.URL, error) {
	if d.Proxy != nil {
		return d.Proxy(t.HTTP)
	}
	return fromEnvironment(t.HTTP)
}

// fromEnvironment goes by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in capitals or not. Loopback addresses are
// always reached directly.
func fromEnvironment(u *url.URL) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	all := cmp.Or(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy"))
	config.HTTPProxy = cmp.Or(config.HTTPProxy, all)
	config.HTTPSProxy = cmp.Or(config.HTTPSProxy, all)
	return config.ProxyFunc()(u)
}

// through opens a connection to host by way of a proxy.
func (d *Dialer) through(ctx context.Context, by *url.URL, host string) (net.Conn, error) {
	switch by.Scheme {
	case "http", "https":
		return d.throughHTTP(ctx, by, host)
	case "socks5", "socks5h":
		return d.throughSOCKS(ctx, by, host)
	}
	return nil, fmt.Errorf("proxy %s has the scheme %q: use http, https, socks5 or socks5h", by.Redacted(), by.Scheme)
}

// throughHTTP asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6).
func (d *Dialer) throughHTTP(ctx context.Context, by *url.URL, host string) (net.Conn, error) {
	nc, err := d.dial(ctx, "tcp", hostPort(by))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", by.Redacted(), err)
	}
	if by.Scheme == "https" {
		if nc, err = new(Dialer).secure(ctx, nc, by.Hostname()); err != nil {
			return nil, fmt.Errorf("proxy %s: %w", by.Redacted(), err)
		}
	}
	stop := Interrupt(ctx, nc)
	err = openTunnel(nc, by, host)
	stop()
	if err != nil {
		nc.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("proxy %s: %w", by.Redacted(), err)
	}
	return nc, nil
}

func openTunnel(nc net.Conn, by *url.URL, host string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: host}, Host: host, Header: http.Header{"User-Agent": {""}}}
	if by.User != nil {
		password, _ := by.User.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(by.User.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := req.Write(nc); err != nil {
		return err
	}
	r := bufio.NewReader(io.LimitReader(nc, maxProxyHeader))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it refused the tunnel to %s with %s", host, resp.Status)
	}
	if r.Buffered() > 0 {
		return fmt.Errorf("it sent bytes of its own into the tunnel to %s", host)
	}
	return nil
}

// throughSOCKS asks a SOCKS5 proxy (RFC 1928). The proxy resolves the host's name, under either scheme.
func (d *Dialer) throughSOCKS(ctx context.Context, by *url.URL, host string) (net.Conn, error) {
	var auth *proxy.Auth
	if by.User != nil {
		password, _ := by.User.Password()
		auth = &proxy.Auth{User: by.User.Username(), Password: password}
	}
	var nc net.Conn // x/net/proxy returns it in a wrapper that cannot be half closed
	reach := func(_ context.Context, network, addr string) (_ net.Conn, err error) {
		nc, err = d.dial(ctx, network, addr)
		return nc, err
	}
	socks, err := proxy.SOCKS5("tcp", hostPort(by), auth, forward(reach))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", by.Redacted(), err)
	}
	if _, err := socks.(proxy.ContextDialer).DialContext(undated{ctx}, "tcp", host); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", by.Redacted(), err)
	}
	return nc, nil
}

// undated is a context that ends on time but does not say when. x/net/proxy would make the deadline the connection's, and
// when both come at once it is chance whether the connection fails with ctx ended or before it.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

// forward is a dial function as golang.org/x/net/proxy wants it.
type forward func(ctx context.Context, network, addr string) (net.Conn, error)

func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// hostPort is a proxy's address, its port the usual one of its scheme if none is named.
func hostPort(u *url.URL) string {
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port, "1080"))
}
