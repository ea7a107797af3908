// Package connect makes the network connection on which a client begins its opening handshake: to the host of the URL or a
// Unix socket, by way of a proxy if there is one, with TLS if the URL says so (RFC 6455 §4.1, "establish a connection").
package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Dialer holds a client's choices.
type Dialer struct {
	// Dial opens network connections; nil is a net.Dialer's.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is cloned for each connection; nil is the default configuration.
	TLS *tls.Config
	// Proxy chooses the proxy for an http or https URL, nil for none. A nil Proxy asks the environment.
	Proxy func(*url.URL) (*url.URL, error)
}

// Target is where a WebSocket URL leads.
type Target struct {
	Secure bool
	Socket string   // path of a Unix socket, or ""
	Host   string   // host and port, the port always named
	HTTP   *url.URL // the resource as an http or https URL, for the request line, cookies and the choice of a proxy
}

// Parse reads a ws, wss, ws+unix or wss+unix URL (RFC 6455 §3). http and https stand for ws and wss. The path of a
// ws+unix URL is the socket's and, behind a colon, the resource's: ws+unix:///run/app.sock:/chat.
func Parse(raw string) (*Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err // without the URL, which may hold a password
		}
		return nil, fmt.Errorf("URL malformed: %w", err)
	}
	given := u.Redacted()
	if u.Fragment != "" || strings.HasSuffix(raw, "#") {
		return nil, fmt.Errorf("URL %q has a fragment, which a WebSocket URL may not have", given)
	}
	if strings.Contains(u.RawQuery, " ") { // net/url lets it pass, and it would end the request line's URL
		return nil, fmt.Errorf("URL %q has a space in its query: write %%20", given)
	}
	scheme, unix := strings.CutSuffix(u.Scheme, "+unix")
	t := &Target{HTTP: u}
	switch scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme, t.Secure = "https", true
	default:
		return nil, fmt.Errorf("URL %q has the scheme %q: use ws, wss, ws+unix or wss+unix", given, u.Scheme)
	}
	if unix {
		if !t.parseSocket() {
			return nil, fmt.Errorf("URL %q names no Unix socket: write ws+unix:///path/of/socket:/path/of/resource", given)
		}
		return t, nil
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("URL %q names no host", given)
	}
	if u.Host[0] != '[' && strings.Contains(u.Hostname(), ":") { // net/url is strict about it with http only
		return nil, fmt.Errorf("URL %q has a colon in its host: write an IPv6 address in brackets", given)
	}
	t.Host = u.Host
	if u.Port() == "" {
		t.Host = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[t.Secure])
	}
	return t, nil
}

// parseSocket takes the path apart as it was written, so that a colon may be escaped and the resource's escapes stay. It
// is false if the path is not as [Parse] says.
func (t *Target) parseSocket() bool {
	u := t.HTTP
	socket, rawPath, _ := strings.Cut(u.EscapedPath(), ":")
	if socket == "" || u.Host != "" || rawPath != "" && rawPath[0] != '/' {
		return false
	}
	path, err := url.PathUnescape(rawPath)
	if err != nil {
		return false
	}
	if t.Socket, err = url.PathUnescape(socket); err != nil {
		return false
	}
	u.Host, u.Path, u.RawPath = "localhost", path, rawPath
	return true
}

// Connect opens the connection, ready for the HTTP request.
func (d *Dialer) Connect(ctx context.Context, t *Target) (net.Conn, error) {
	nc, err := d.reach(ctx, t)
	if err != nil || !t.Secure {
		return nc, err
	}
	return d.secure(ctx, nc, t.HTTP.Hostname())
}

// reach opens the connection short of TLS.
func (d *Dialer) reach(ctx context.Context, t *Target) (net.Conn, error) {
	if t.Socket != "" {
		return d.dial(ctx, "unix", t.Socket)
	}
	proxy, err := d.proxyFor(t)
	if err != nil {
		return nil, fmt.Errorf("choosing a proxy: %w", err)
	}
	if proxy != nil {
		return d.through(ctx, proxy, t.Host)
	}
	return d.dial(ctx, "tcp", t.Host)
}

func (d *Dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.Dial != nil {
		return d.Dial(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// secure begins TLS. HTTP/1.1 is asked for: a server that chose HTTP/2 could not be upgraded.
func (d *Dialer) secure(ctx context.Context, nc net.Conn, host string) (net.Conn, error) {
	config := d.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", host, err)
	}
	return secure, nil
}
