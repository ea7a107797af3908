// The client's side of the opening handshake (RFC 6455 §4.1).

package websocket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/connect"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/handshake"
	"github.com/ringdown/ringdown/websocket/wire"
)

// DialOptions are the choices of a client. The zero value, or nil, is fine.
type DialOptions struct {
	// Header holds fields to add to the request. Authorization, Cookie and the like are not sent along a redirect to
	// another host.
	Header http.Header
	// Host stands in the Host field instead of the URL's.
	Host string
	// Subprotocols that the client speaks, the ones it likes best first.
	Subprotocols []string
	// Jar gives the request its cookies, and takes those of the answer. May be nil.
	Jar http.CookieJar

	// TLSConfig is for wss. nil is the default configuration. It is not changed.
	TLSConfig *tls.Config
	// DialContext opens the network connection ("tcp", or "unix" for a ws+unix URL). nil is a [net.Dialer]'s.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy chooses the proxy for an http or https URL; a nil result is none. It may be http, https, socks5 or socks5h.
	// A nil Proxy asks the environment: HTTP_PROXY for ws, HTTPS_PROXY for wss, ALL_PROXY for both, NO_PROXY for
	// exceptions. Loopback addresses are then always reached directly. An https proxy is checked against the system's
	// certificates; TLSConfig is for the server behind it.
	Proxy func(*url.URL) (*url.URL, error)

	// MaxRedirects is how many redirects are followed. 0 means 5; a negative value, none.
	MaxRedirects int
	// HandshakeTimeout bounds the whole of Dial. 0 means 30 s; a negative value, no limit but the context's.
	HandshakeTimeout time.Duration

	Compression Compression
	Limits      Limits
	KeepAlive   KeepAlive
	CorkBursts  bool // see AcceptOptions
}

const (
	defaultHandshakeTimeout = 30 * time.Second
	defaultRedirects        = 5
	maxAnswerHeader         = 64 << 10 // bytes of an answer's header
	maxAnswerBody           = 4 << 10  // bytes kept of the body of an answer that is no 101
)

// Dial opens a WebSocket connection to a ws, wss, ws+unix or wss+unix URL, such as wss://example.com/chat or
// ws+unix:///run/app.sock:/chat. ctx is for the handshake only.
//
// The response is the server's last answer, if there was one; its body need not be closed. When the server answers
// something else than 101 the error is a [*HandshakeError], and the body holds the first 4 KiB of what it said.
func Dial(ctx context.Context, rawURL string, opts *DialOptions) (*Conn, *http.Response, error) {
	d := &dialer{}
	if opts != nil {
		d.opts = *opts
	}
	if limit := orDefault(d.opts.HandshakeTimeout, defaultHandshakeTimeout); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	target, err := connect.Parse(rawURL)
	if err != nil {
		return nil, nil, &HandshakeError{Reason: err.Error(), cause: err}
	}
	return d.dial(ctx, target)
}

// dialer is one call of Dial.
type dialer struct{ opts DialOptions }

// dial follows redirects until a server answers anything else.
func (d *dialer) dial(ctx context.Context, target *connect.Target) (*Conn, *http.Response, error) {
	for left := orDefault(d.opts.MaxRedirects, defaultRedirects); ; left-- {
		c, resp, err := d.try(ctx, target)
		if err != nil && ctx.Err() != nil && !wasRefused(err) {
			err = &HandshakeError{Reason: "gave up waiting: " + ctx.Err().Error(), cause: ctx.Err()}
		}
		if err != nil || c != nil {
			return c, resp, err
		}
		if left <= 0 {
			return nil, resp, answered(resp, "it redirects, and no more redirects are followed (see MaxRedirects)", nil)
		}
		if target, err = d.redirect(target, resp); err != nil {
			return nil, resp, answered(resp, err.Error(), err)
		}
	}
}

// wasRefused reports whether err is a server's answer.
func wasRefused(err error) bool {
	refused, ok := errors.AsType[*HandshakeError](err)
	return ok && refused.Status != 0
}

// redirect is where resp sends us. Credentials meant for the old host are not for a new one.
func (d *dialer) redirect(from *connect.Target, resp *http.Response) (*connect.Target, error) {
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("it redirects without a usable Location: %w", err)
	}
	location.Fragment = ""
	to, err := connect.Parse(location.String())
	if err != nil {
		return nil, fmt.Errorf("it redirects: %w", err)
	}
	if from.Secure && !to.Secure {
		return nil, fmt.Errorf("it redirects from wss to ws (%s), which would give up the encryption", to.HTTP.Redacted())
	}
	if to.Socket != "" {
		return nil, errors.New("it redirects to a Unix socket, which is not for a server to choose")
	}
	if from.Socket != "" && to.HTTP.Host == from.HTTP.Host {
		to.Socket, to.Host = from.Socket, ""
	}
	if to.Socket != from.Socket || to.Host != from.Host {
		d.opts.Header, d.opts.Host = withoutCredentials(d.opts.Header), ""
	} else if to.HTTP.User == nil {
		to.HTTP.User = from.HTTP.User
	}
	return to, nil
}

// withoutCredentials is a copy of h for another host. Keys of the caller's need not be canonical.
func withoutCredentials(h http.Header) http.Header {
	h = h.Clone()
	for name := range h {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Proxy-Authorization", "Www-Authenticate":
			delete(h, name)
		}
	}
	return h
}

// try makes one attempt. A nil connection without an error is a redirect.
func (d *dialer) try(ctx context.Context, target *connect.Target) (*Conn, *http.Response, error) {
	key := handshake.NewKey()
	req, err := d.request(target, key)
	if err != nil {
		return nil, nil, &HandshakeError{Reason: err.Error(), cause: err}
	}
	by := connect.Dialer{Dial: d.opts.DialContext, TLS: d.opts.TLSConfig, Proxy: d.opts.Proxy}
	nc, err := by.Connect(ctx, target)
	if err != nil {
		return nil, nil, &HandshakeError{Reason: err.Error(), cause: err}
	}
	stop := connect.Interrupt(ctx, nc)
	c, resp, err := d.upgrade(nc, req, key)
	stop()
	if err == nil && c != nil && ctx.Err() != nil { // the deadline may be in the past for good
		c.CloseNow()
		return nil, resp, ctx.Err()
	}
	if c == nil {
		nc.Close()
	}
	return c, resp, err
}

// request is the client's opening handshake.
func (d *dialer) request(target *connect.Target, key string) (*http.Request, error) {
	header, err := handshake.ClientHeader(d.opts.Header, key, d.opts.Subprotocols, deflate.Offers(d.opts.Compression.Mode.mode()))
	if err != nil {
		return nil, err
	}
	u := *target.HTTP
	u.User = nil
	req := &http.Request{Method: http.MethodGet, URL: &u, Host: cmp.Or(d.opts.Host, u.Host), Header: header, ProtoMajor: 1, ProtoMinor: 1}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "") // none, rather than net/http's
	}
	if user := target.HTTP.User; user != nil && header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	if d.opts.Jar != nil {
		for _, cookie := range d.opts.Jar.Cookies(&u) {
			req.AddCookie(cookie)
		}
	}
	return req, nil
}

// upgrade sends the request and reads the answer.
func (d *dialer) upgrade(nc net.Conn, req *http.Request, key string) (*Conn, *http.Response, error) {
	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		return nil, nil, &HandshakeError{Reason: err.Error(), cause: err}
	}
	if _, err := nc.Write(out.Bytes()); err != nil {
		return nil, nil, &HandshakeError{Reason: "the request could not be sent: " + err.Error(), cause: err}
	}
	bounded := &io.LimitedReader{R: nc, N: maxAnswerHeader}
	r := bufio.NewReader(bounded)
	resp, err := readFinal(r, req)
	if err != nil && bounded.N == 0 {
		err = fmt.Errorf("its header is longer than %d bytes", maxAnswerHeader)
	}
	if err != nil {
		return nil, nil, &HandshakeError{Reason: "the answer could not be read: " + err.Error(), cause: err}
	}
	if d.opts.Jar != nil {
		d.opts.Jar.SetCookies(req.URL, resp.Cookies())
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, resp, refused(resp)
	}
	resp.Body = http.NoBody
	subprotocol, extensions, err := handshake.CheckResponse(resp, key, d.opts.Subprotocols)
	if err != nil {
		return nil, resp, answered(resp, err.Error(), err)
	}
	agreed, err := d.agreed(extensions)
	if err != nil {
		return nil, resp, answered(resp, err.Error(), err)
	}
	set := newSettings(wire.Client, d.opts.Compression, d.opts.Limits, d.opts.KeepAlive, d.opts.CorkBursts)
	u := &bridge.Upgraded{NetConn: nc, Early: buffered(r), Subprotocol: subprotocol}
	set.agreeOn(u, agreed)
	return newConn(u, set), resp, nil
}

// readFinal reads the answer, passing over interim ones (RFC 9110 §15.2), of which 101 is none here.
func readFinal(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// agreed checks the extensions of the answer: only what was offered, and once (RFC 6455 §9.1, RFC 7692 §7.1).
func (d *dialer) agreed(extensions []handshake.Extension) (*deflate.Params, error) {
	var agreed *deflate.Params
	for _, e := range extensions {
		if e.Name != deflate.Name || d.opts.Compression.Mode == CompressionOff {
			return nil, fmt.Errorf("the server answered with the extension %q, which was not offered", e.Name)
		}
		if agreed != nil {
			return nil, fmt.Errorf("the server answered with %s twice", e.Name)
		}
		params, err := deflate.Accepted(deflateParams(e), d.opts.Compression.Mode.mode())
		if err != nil {
			return nil, fmt.Errorf("the server's answer to %s: %w", e.Name, err)
		}
		agreed = &params
	}
	return agreed, nil
}

// refused keeps what a server said that did not answer 101. It returns nil for a redirect.
func refused(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBody))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil
	}
	said := firstLine(body)
	if said == "" {
		said = "the server did not say why"
	}
	return answered(resp, said, nil)
}

// firstLine is the first line of a body, cut to a length that fits an error.
func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	return string(bytes.ToValidUTF8(line[:min(len(line), 300)], nil))
}

func answered(resp *http.Response, reason string, cause error) error {
	return &HandshakeError{Status: resp.StatusCode, Reason: reason, Response: resp, cause: cause}
}
