// Dial by way of proxies: small real ones, which take any name for the test's server.

package websocket_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

var dialTestNoLog = log.New(io.Discard, "", 0)

// dialTestProxy is a proxy that speaks HTTP CONNECT or SOCKS5. Whatever it is asked for, it connects to target.
type dialTestProxy struct {
	addr   string
	target string
	user   string // "name:password" that it demands, or ""
	refuse bool
	early  string // what it sends behind its answer, out of turn

	mu     sync.Mutex
	asked  []string      // the hosts it was asked for
	header []http.Header // of each CONNECT
}

// dialTestStart starts p, which speaks protocol ("http" or "socks5") and leads to target.
func (p *dialTestProxy) dialTestStart(t *testing.T, protocol, target string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.addr, p.target = l.Addr().String(), target
	serve := map[string]func(net.Conn) bool{"http": p.connect, "socks5": p.socks}[protocol]
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				if serve(nc) {
					p.relay(nc)
				}
			}()
		}
	}()
}

func (p *dialTestProxy) url(scheme string) *url.URL {
	u := &url.URL{Scheme: scheme, Host: p.addr}
	if name, password, ok := strings.Cut(p.user, ":"); ok {
		u.User = url.UserPassword(name, password)
	}
	return u
}

// take tells the hosts that were asked for since the last time.
func (p *dialTestProxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

func (p *dialTestProxy) note(host string, h http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.header = append(p.asked, host), append(p.header, h)
}

func (p *dialTestProxy) relay(nc net.Conn) {
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		io.Copy(up, nc)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(nc, up)
}

// connect is RFC 9110 §9.3.6.
func (p *dialTestProxy) connect(nc net.Conn) bool {
	req, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		return false
	}
	p.note(req.Method+" "+req.RequestURI+" "+req.Host, req.Header)
	switch {
	case p.refuse:
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return false
	case p.user != "" && !p.allows(req):
		io.WriteString(nc, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return false
	}
	io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"+p.early)
	return true
}

func (p *dialTestProxy) allows(req *http.Request) bool {
	req = &http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}
	name, password, ok := req.BasicAuth()
	return ok && name+":"+password == p.user
}

// socks is RFC 1928, with the names and passwords of RFC 1929.
func (p *dialTestProxy) socks(nc net.Conn) bool {
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(nc, b)
		return b
	}
	read(int(read(2)[1])) // version and methods
	if p.user == "" {
		nc.Write([]byte{5, 0})
	} else {
		nc.Write([]byte{5, 2})
		name := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		if string(name)+":"+string(password) != p.user {
			nc.Write([]byte{1, 1})
			return false
		}
		nc.Write([]byte{1, 0})
	}
	host := ""
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	p.note(net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(read(2)))), nil)
	if p.refuse {
		nc.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0})
		return false
	}
	nc.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80})
	return true
}

// dialTestBy is a Proxy option that always answers u.
func dialTestBy(u *url.URL) func(*url.URL) (*url.URL, error) {
	return func(*url.URL) (*url.URL, error) { return u, nil }
}

func TestDialGoesThroughAProxy(t *testing.T) {
	plain := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	secure, trust := dialTestTLSServer(t, websocket.Handler(dialTestEcho, nil))
	for _, test := range []struct {
		protocol, scheme string // what the proxy speaks, and how its URL says so
		user             string
		target           string
		want             string
	}{
		{"http", "http", "", "ws://example.com/chat", "CONNECT example.com:80 example.com:80"},
		{"http", "http", "", "ws://[2001:db8::1]:8080/", "CONNECT [2001:db8::1]:8080 [2001:db8::1]:8080"},
		{"http", "http", "ada:s e:cret", "wss://example.com/chat", "CONNECT example.com:443 example.com:443"},
		{"socks5", "socks5", "", "ws://example.com/chat", "example.com:80"},
		{"socks5", "socks5h", "", "ws://192.0.2.1:8080/", "192.0.2.1:8080"},
		{"socks5", "socks5", "ada:s e:cret", "wss://example.com/chat", "example.com:443"},
	} {
		t.Run(test.scheme+" to "+test.target, func(t *testing.T) {
			target := plain.Listener.Addr().String()
			if strings.HasPrefix(test.target, "wss") {
				target = secure.Listener.Addr().String()
			}
			p := &dialTestProxy{user: test.user}
			p.dialTestStart(t, test.protocol, target)
			var about string
			c, _, err := dialTestDial(t, test.target, &websocket.DialOptions{
				TLSConfig: trust,
				Proxy: func(u *url.URL) (*url.URL, error) {
					about = u.String()
					return p.url(test.scheme), nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			dialTestTalk(t, c)
			if got := p.take(); len(got) != 1 || got[0] != test.want {
				t.Errorf("the proxy was asked for %q, want %q", got, test.want)
			}
			if want := strings.Replace(test.target, "ws", "http", 1); about != want {
				t.Errorf("Proxy was asked about %q, want %q", about, want)
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestDialTakesTheProxyFromTheEnvironment(t *testing.T) {
	plain := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	secure, trust := dialTestTLSServer(t, websocket.Handler(dialTestEcho, nil))
	var web, socks dialTestProxy
	web.dialTestStart(t, "http", plain.Listener.Addr().String())
	socks.dialTestStart(t, "socks5", secure.Listener.Addr().String())
	webURL, socksURL := web.url("http").String(), socks.url("socks5").String()
	for _, test := range []struct {
		name       string
		env        map[string]string
		url        string
		web, socks int // how often either is asked
	}{
		{"HTTP_PROXY is for ws", map[string]string{"HTTP_PROXY": webURL}, "ws://example.com", 1, 0},
		{"http_proxy is the same", map[string]string{"http_proxy": webURL}, "ws://example.com", 1, 0},
		{"HTTP_PROXY is not for wss", map[string]string{"HTTP_PROXY": webURL}, "wss://example.com", 0, 0},
		{"HTTPS_PROXY is for wss", map[string]string{"HTTPS_PROXY": socksURL}, "wss://example.com", 0, 1},
		{"HTTPS_PROXY is not for ws", map[string]string{"HTTPS_PROXY": socksURL}, "ws://example.com", 0, 0},
		{"ALL_PROXY is for ws", map[string]string{"ALL_PROXY": webURL}, "ws://example.com", 1, 0},
		{"ALL_PROXY is for wss", map[string]string{"ALL_PROXY": socksURL}, "wss://example.com", 0, 1},
		{"all_proxy is the same", map[string]string{"all_proxy": socksURL}, "wss://example.com", 0, 1},
		{"the closer name wins", map[string]string{"ALL_PROXY": socksURL, "HTTP_PROXY": webURL}, "ws://example.com", 1, 0},
		{"NO_PROXY excepts a host", map[string]string{"ALL_PROXY": socksURL, "NO_PROXY": "a.example,example.com"}, "wss://example.com", 0, 0},
		{"NO_PROXY excepts a domain", map[string]string{"HTTP_PROXY": webURL, "no_proxy": ".example.com"}, "ws://www.example.com", 0, 0},
		{"NO_PROXY excepts no other host", map[string]string{"HTTP_PROXY": webURL, "NO_PROXY": "a.example"}, "ws://example.com", 1, 0},
		{"loopback needs no proxy", map[string]string{"ALL_PROXY": webURL}, "ws://127.0.0.1:9", 0, 0},
		{"localhost needs no proxy", map[string]string{"ALL_PROXY": webURL}, "ws://localhost:9", 0, 0},
		{"no variable, no proxy", nil, "ws://example.com", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
				t.Setenv(name, test.env[name])
				t.Setenv(strings.ToLower(name), test.env[strings.ToLower(name)])
			}
			c, _, err := dialTestDial(t, test.url, &websocket.DialOptions{
				TLSConfig: trust,
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr != web.addr && addr != socks.addr { // direct
						addr = plain.Listener.Addr().String()
						if strings.HasPrefix(test.url, "wss") {
							addr = secure.Listener.Addr().String()
						}
					}
					return new(net.Dialer).DialContext(ctx, network, addr)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			dialTestTalk(t, c)
			if w, s := len(web.take()), len(socks.take()); w != test.web || s != test.socks {
				t.Errorf("the proxies were asked %d and %d times, want %d and %d", w, s, test.web, test.socks)
			}
		})
	}
}

func TestDialShowsCredentialsToTheProxyOrTheServerNeverBoth(t *testing.T) {
	var got http.Header
	s := dialTestServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		http.Error(w, "seen", http.StatusForbidden)
	}))
	p := &dialTestProxy{user: "proxyname:proxypassword"}
	p.dialTestStart(t, "http", s.Listener.Addr().String())
	_, _, err := dialTestDial(t, "ws://ada:pw@example.com/", &websocket.DialOptions{
		Proxy:  dialTestBy(p.url("http")),
		Header: http.Header{"Cookie": {"sid=1"}, "X-Token": {"t"}},
	})
	dialTestHandshakeError(t, err, 403, "seen")
	for _, name := range []string{"Authorization", "Cookie", "X-Token", "Sec-Websocket-Key"} {
		if p.header[0].Get(name) != "" {
			t.Errorf("the proxy was shown %s: %q", name, p.header[0][name])
		}
		if got.Get(name) == "" {
			t.Errorf("the server was not shown %s", name)
		}
	}
	if got.Get("Proxy-Authorization") != "" {
		t.Errorf("the server was shown Proxy-Authorization: %q", got["Proxy-Authorization"])
	}
}

func TestDialTellsWhyAProxyWouldNot(t *testing.T) {
	s := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, test := range []struct {
		name     string
		protocol string
		proxy    *dialTestProxy
		change   func(*url.URL)
		want     string
	}{
		{"HTTP refusal", "http", &dialTestProxy{refuse: true}, nil, "refused the tunnel to example.com:80 with 403 Forbidden"},
		{"HTTP without credentials", "http", &dialTestProxy{user: "ada:secret"}, func(u *url.URL) { u.User = nil }, "407 Proxy Authentication Required"},
		{"HTTP with wrong credentials", "http", &dialTestProxy{user: "ada:right"}, func(u *url.URL) { u.User = url.UserPassword("ada", "secret") }, "407"},
		{"HTTP bytes out of turn", "http", &dialTestProxy{early: "hello"}, nil, "bytes of its own into the tunnel to example.com:80"},
		{"SOCKS5 refusal", "socks5", &dialTestProxy{refuse: true}, nil, "connection not allowed by ruleset"},
		{"SOCKS5 with wrong credentials", "socks5", &dialTestProxy{user: "ada:right"}, func(u *url.URL) { u.User = url.UserPassword("ada", "secret") }, "authentication failed"},
		{"HTTP nobody there", "http", &dialTestProxy{}, func(u *url.URL) { u.Host = closed.Addr().String() }, "connection refused"},
		{"SOCKS5 nobody there", "socks5", &dialTestProxy{}, func(u *url.URL) { u.Host = closed.Addr().String() }, "connection refused"},
		{"unknown scheme", "http", &dialTestProxy{user: "ada:secret"}, func(u *url.URL) { u.Scheme = "gopher" }, `has the scheme "gopher": use http, https, socks5 or socks5h`},
		{"https without TLS", "http", &dialTestProxy{}, func(u *url.URL) { u.Scheme = "https" }, "TLS handshake with 127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.proxy
			p.dialTestStart(t, test.protocol, s.Listener.Addr().String())
			u := p.url(test.protocol)
			if test.change != nil {
				test.change(u)
			}
			_, resp, err := dialTestDial(t, "ws://example.com/", &websocket.DialOptions{Proxy: dialTestBy(u)})
			dialTestHandshakeError(t, err, 0, "proxy "+u.Redacted(), test.want)
			if strings.Contains(err.Error(), "secret") || resp != nil {
				t.Errorf("error %v with response %v", err, resp)
			}
		})
	}
	t.Run("the choice fails", func(t *testing.T) {
		broken := errors.New("no such setting")
		_, _, err := dialTestDial(t, "ws://example.com/", &websocket.DialOptions{
			Proxy: func(*url.URL) (*url.URL, error) { return nil, broken },
		})
		if dialTestHandshakeError(t, err, 0, "choosing a proxy: no such setting"); !errors.Is(err, broken) {
			t.Errorf("%v does not wrap its cause", err)
		}
	})
}

func TestDialTakesAnySuccessOfAProxyForATunnel(t *testing.T) { // RFC 9110 §9.3.6: "any 2xx"
	serve := func(nc net.Conn) {
		r := bufio.NewReader(nc)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(nc, "HTTP/1.1 202 Accepted\r\n\r\n")
		if req, err := http.ReadRequest(r); err == nil {
			io.WriteString(nc, dialTestSwitch(req)+"\r\n\x81\x02ok")
		}
		io.Copy(io.Discard, nc)
	}
	opts := websocket.DialOptions{Proxy: dialTestBy(&url.URL{Scheme: "http", Host: "proxy.example"})}
	dialTestPipe(t, "ws://example.com", opts, serve, func(c *websocket.Conn, _ time.Duration, err error) {
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if _, data, err := c.Read(context.Background()); err != nil || string(data) != "ok" {
			t.Errorf("read %q, %v", data, err)
		}
	})
}

// The bubble of dialTestPipe proves that no goroutine and no connection is left behind.
func TestDialGivesUpOnAProxyThatDoesNotAnswer(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			opts := websocket.DialOptions{
				HandshakeTimeout: time.Second,
				Proxy:            dialTestBy(&url.URL{Scheme: scheme, Host: "proxy.example"}),
			}
			dialTestPipe(t, "ws://example.com", opts, dialTestSilence, func(_ *websocket.Conn, took time.Duration, err error) {
				dialTestHandshakeError(t, err, 0, "gave up waiting")
				if !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

func TestDialBoundsTheHeaderOfAProxy(t *testing.T) {
	sent := 0
	serve := func(nc net.Conn) {
		go io.Copy(io.Discard, nc)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\n")
		for {
			n, err := io.WriteString(nc, "X-Filler: "+strings.Repeat("a", 1000)+"\r\n")
			if sent += n; err != nil {
				return
			}
		}
	}
	opts := websocket.DialOptions{Proxy: dialTestBy(&url.URL{Scheme: "http", Host: "proxy.example"})}
	dialTestPipe(t, "ws://example.com", opts, serve, func(_ *websocket.Conn, _ time.Duration, err error) {
		dialTestHandshakeError(t, err, 0, "proxy http://proxy.example")
	})
	if sent > 64<<10 {
		t.Errorf("read %d bytes of header", sent)
	}
}
