// Dial against servers that behave, servers that do not, and servers that send it elsewhere.

package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// dialTestEcho sends back what comes.
func dialTestEcho(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
			return
		}
	}
}

// dialTestServer is an HTTP server that ends with the test. websocket.Dial takes its URL as it is: http stands for ws.
func dialTestServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// dialTestTLSServer is the same over TLS, also ready for HTTP/2, and the configuration of a client that trusts it. Its
// certificate is for example.com and 127.0.0.1.
func dialTestTLSServer(t *testing.T, h http.Handler) (*httptest.Server, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2, s.TLS = true, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	s.Config.ErrorLog = dialTestNoLog
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &tls.Config{RootCAs: dialTestPool(s)}
}

func dialTestPool(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// dialTestDial dials and closes with the test; it fails the test if either takes long.
func dialTestDial(t *testing.T, url string, opts *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, url, opts)
	if (c == nil) == (err == nil) {
		t.Fatalf("Dial returned the connection %v and the error %v: want one of them", c, err)
	}
	if c != nil {
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, resp, err
}

// dialTestTalk proves that c works: what goes out comes back.
func dialTestTalk(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.Text, []byte("ahoy")); err != nil {
		t.Fatal(err)
	}
	if typ, data, err := c.Read(ctx); err != nil || typ != websocket.Text || string(data) != "ahoy" {
		t.Fatalf("echo of ahoy: %v %q, %v", typ, data, err)
	}
}

// dialTestRaw is a server written by hand: serve gets each connection behind its request. It returns the ws URL.
func dialTestRaw(t *testing.T, serve func(nc net.Conn, req *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				if req, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
					serve(nc, req)
				}
			}()
		}
	}()
	return "ws://" + l.Addr().String()
}

// dialTestSwitch is the beginning of a right answer to req (RFC 6455 §4.2.2); more fields and an empty line follow.
func dialTestSwitch(req *http.Request) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		dialTestProof(req) + "\r\n"
}

func dialTestProof(req *http.Request) string {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// dialTestHandshakeError fails the test unless err is a HandshakeError of that status whose words contain all of want.
func dialTestHandshakeError(t *testing.T, err error, status int, want ...string) *websocket.HandshakeError {
	t.Helper()
	refused, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok {
		t.Fatalf("error %v (%T); want a *HandshakeError", err, err)
	}
	if refused.Status != status {
		t.Errorf("status %d, want %d (%v)", refused.Status, status, err)
	}
	for _, words := range want {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("the error does not say %q:\n%v", words, err)
		}
	}
	return refused
}

func TestDialKnowsItsSchemes(t *testing.T) {
	plain := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	secure, trust := dialTestTLSServer(t, websocket.Handler(dialTestEcho, nil))
	plainAddr, secureAddr := plain.Listener.Addr().String(), secure.Listener.Addr().String()
	for _, url := range []string{
		"ws://" + plainAddr,
		"WS://" + plainAddr + "/chat?room=1",
		"http://" + plainAddr + "/",
		"wss://" + secureAddr,
		"https://" + secureAddr + "/chat",
	} {
		t.Run(url[:strings.Index(url, ":")], func(t *testing.T) {
			c, resp, err := dialTestDial(t, url, &websocket.DialOptions{TLSConfig: trust})
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusSwitchingProtocols || resp.Body == nil {
				t.Errorf("response %v with body %v", resp.Status, resp.Body)
			}
			dialTestTalk(t, c)
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDialReachesUnixSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "ws") // t.TempDir's path may be longer than a socket's may be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var asked atomic.Pointer[http.Request]
	start := func(name string, secure bool) *httptest.Server {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Store(r)
			if r.URL.Path == "/old" {
				http.Redirect(w, r, "/new", http.StatusFound)
				return
			}
			websocket.Handler(dialTestEcho, nil).ServeHTTP(w, r)
		}))
		s.Listener.Close()
		s.Listener = l
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s
	}
	start("plain", false)
	trust := &tls.Config{RootCAs: dialTestPool(start("secure", true)), ServerName: "example.com"}
	for _, test := range []struct{ name, url, uri string }{
		{"ws+unix", "ws+unix://" + dir + "/plain:/chat?room=a%20b", "/chat?room=a%20b"},
		{"ws+unix without a resource", "ws+unix://" + dir + "/plain", "/"},
		{"an escaped resource stays as it is", "ws+unix://" + dir + "/plain:/a%2Fb", "/a%2Fb"},
		{"wss+unix", "wss+unix://" + dir + "/secure:/chat", "/chat"},
		{"a relative redirect stays on the socket", "ws+unix://" + dir + "/plain:/old", "/new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, err := dialTestDial(t, test.url, &websocket.DialOptions{TLSConfig: trust})
			if err != nil {
				t.Fatal(err)
			}
			dialTestTalk(t, c)
			if r := asked.Load(); r.RequestURI != test.uri || r.Host != "localhost" {
				t.Errorf("asked for %q of %q; want %q of localhost", r.RequestURI, r.Host, test.uri)
			}
		})
	}
}

func TestDialVerifiesTheServersCertificate(t *testing.T) {
	var protocol atomic.Value
	s, trust := dialTestTLSServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(r.TLS.NegotiatedProtocol)
		websocket.Handler(dialTestEcho, nil).ServeHTTP(w, r)
	}))
	url := "wss://" + s.Listener.Addr().String()

	t.Run("HTTP/1.1 is asked for whatever the configuration says", func(t *testing.T) {
		config := trust.Clone()
		config.NextProtos = []string{"h2"}
		c, _, err := dialTestDial(t, url, &websocket.DialOptions{TLSConfig: config})
		if err != nil {
			t.Fatal(err)
		}
		dialTestTalk(t, c)
		if protocol.Load() != "http/1.1" {
			t.Errorf("ALPN agreed on %q", protocol.Load())
		}
		if !slices.Equal(config.NextProtos, []string{"h2"}) || config.ServerName != "" {
			t.Error("the caller's configuration was changed")
		}
	})
	t.Run("another name", func(t *testing.T) {
		config := trust.Clone()
		config.ServerName = "wrong.example"
		_, _, err := dialTestDial(t, url, &websocket.DialOptions{TLSConfig: config})
		dialTestHandshakeError(t, err, 0, "TLS handshake with 127.0.0.1", "certificate is valid for", "not wrong.example")
		if _, ok := errors.AsType[x509.HostnameError](err); !ok {
			t.Errorf("%v does not wrap its cause", err)
		}
	})
	t.Run("an unknown authority", func(t *testing.T) {
		_, _, err := dialTestDial(t, url, &websocket.DialOptions{TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}})
		dialTestHandshakeError(t, err, 0, "certificate signed by unknown authority")
	})
	t.Run("no TLS at all", func(t *testing.T) {
		plain := dialTestServer(t, http.NotFoundHandler())
		_, _, err := dialTestDial(t, "wss://"+plain.Listener.Addr().String(), nil)
		dialTestHandshakeError(t, err, 0, "TLS handshake with 127.0.0.1", "first record does not look like a TLS handshake")
	})
}

func TestDialRefusesWhatIsNoURLOfAWebSocket(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"ws://example.com/#top", `"ws://example.com/#top" has a fragment`},
		{"ws://example.com/#", "has a fragment"},
		{"gopher://example.com/", `has the scheme "gopher": use ws, wss, ws+unix or wss+unix`},
		{"example.com/chat", `has the scheme ""`},
		{"ws:///chat", `URL "ws:///chat" names no host`},
		{"wss://:8443/chat", `URL "wss://:8443/chat" names no host`},
		{"ws+unix://", "names no Unix socket: write ws+unix:///path/of/socket:/path/of/resource"},
		{"ws+unix://host/run/app.sock:/", "names no Unix socket"},
		{"ws://example.com:http/", "invalid port"},
		{"ws://exa mple.com/", "invalid character"},
	} {
		t.Run(test.url, func(t *testing.T) {
			_, resp, err := dialTestDial(t, test.url, &websocket.DialOptions{DialContext: dialTestNoNetwork})
			dialTestHandshakeError(t, err, 0, test.want)
			if resp != nil {
				t.Errorf("a response without a server: %v", resp)
			}
		})
	}
}

func TestDialTellsNoPasswordInItsErrors(t *testing.T) {
	for _, url := range []string{"ws://user:secret@example.com/#top", "gopher://user:secret@example.com/", "ws://user:secret@exa mple.com/", "ws://user:secret@example.com/"} {
		_, _, err := dialTestDial(t, url, &websocket.DialOptions{DialContext: dialTestNoNetwork, Proxy: dialTestDirect})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func dialTestNoNetwork(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("the network is out of bounds here")
}

func dialTestDirect(*url.URL) (*url.URL, error) { return nil, nil }

func TestDialSendsWhatItIsGiven(t *testing.T) {
	var got atomic.Pointer[http.Request]
	s := dialTestServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r)
		http.SetCookie(w, &http.Cookie{Name: "visit", Value: "2"})
		websocket.Handler(dialTestEcho, &websocket.AcceptOptions{Subprotocols: []string{"chat.v1", "chat.v2"}}).ServeHTTP(w, r)
	}))
	at, _ := url.Parse(s.URL)
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(at, []*http.Cookie{{Name: "visit", Value: "1"}})
	header := http.Header{"X-Token": {"a", "b"}, "Cookie": {"own=1"}}

	withUser := *at
	withUser.Scheme, withUser.User = "ws", url.UserPassword("ada", "p:ss w@rd")
	c, resp, err := dialTestDial(t, withUser.String()+"/chat?room=1", &websocket.DialOptions{
		Header: header, Host: "chat.example", Subprotocols: []string{"chat.v2", "other"}, Jar: jar,
	})
	if err != nil {
		t.Fatal(err)
	}
	dialTestTalk(t, c)
	r := got.Load()
	if r.RequestURI != "/chat?room=1" || r.Host != "chat.example" || r.Proto != "HTTP/1.1" {
		t.Errorf("request %s of host %s over %s", r.RequestURI, r.Host, r.Proto)
	}
	if user, password, _ := r.BasicAuth(); user != "ada" || password != "p:ss w@rd" {
		t.Errorf("userinfo arrived as %q, %q", user, password)
	}
	if !slices.Equal(r.Header["X-Token"], []string{"a", "b"}) {
		t.Errorf("X-Token: %q", r.Header["X-Token"])
	}
	if cookies := r.Header.Get("Cookie"); !strings.Contains(cookies, "own=1") || !strings.Contains(cookies, "visit=1") {
		t.Errorf("Cookie: %q; want the header's and the jar's", cookies)
	}
	if agent, ok := r.Header["User-Agent"]; ok {
		t.Errorf("User-Agent: %q; none was asked for", agent)
	}
	if c.Subprotocol() != "chat.v2" || resp.Header.Get("Sec-WebSocket-Protocol") != "chat.v2" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	if cookies := jar.Cookies(at); len(cookies) != 1 || cookies[0].Value != "2" {
		t.Errorf("the jar holds %v; want visit=2, which the answer set", cookies)
	}
	if len(header) != 2 || len(header["X-Token"]) != 2 {
		t.Errorf("the caller's header was changed: %v", header)
	}
}

func TestDialPrefersAnAuthorizationHeaderToUserinfo(t *testing.T) {
	s := dialTestServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, strings.Join(r.Header["Authorization"], " and "), http.StatusUnauthorized)
	}))
	_, _, err := dialTestDial(t, strings.Replace(s.URL, "http://", "ws://ada:pw@", 1), &websocket.DialOptions{
		Header: http.Header{"Authorization": {"Bearer t"}, "User-Agent": {"probe/1"}},
	})
	if refused := dialTestHandshakeError(t, err, 401); refused.Reason != "Bearer t" {
		t.Errorf("Authorization: %s", refused.Reason)
	}
}

func TestDialRefusesRequestsThatItCannotSend(t *testing.T) {
	for _, test := range []struct {
		name string
		opts websocket.DialOptions
		want string
	}{
		{"a field of the handshake", websocket.DialOptions{Header: http.Header{"Upgrade": {"h2c"}}}, `"Upgrade" is not the caller's to set`},
		{"Host as a field", websocket.DialOptions{Header: http.Header{"Host": {"x"}}}, "set the option Host"},
		{"a line break in a value", websocket.DialOptions{Header: http.Header{"X": {"a\r\nY: b"}}}, "holds CR, LF or NUL"},
		{"a subprotocol that is no token", websocket.DialOptions{Subprotocols: []string{"two words"}}, `"two words" is not a token`},
		{"a subprotocol twice", websocket.DialOptions{Subprotocols: []string{"a", "a"}}, `"a" is offered twice`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.opts.DialContext = dialTestNoNetwork
			_, _, err := dialTestDial(t, "ws://example.com", &test.opts)
			dialTestHandshakeError(t, err, 0, test.want)
		})
	}
}

func TestDialUsesTheCallersDialer(t *testing.T) {
	s := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	for _, test := range []struct{ url, want string }{
		{"ws://example.com/chat", "tcp example.com:80"},
		{"ws://example.com:8080/chat", "tcp example.com:8080"},
		{"ws://[2001:db8::1]/chat", "tcp [2001:db8::1]:80"},
		{"ws+unix:///run/app.sock:/chat", "unix /run/app.sock"},
	} {
		var asked string
		c, _, err := dialTestDial(t, test.url, &websocket.DialOptions{
			Proxy: dialTestDirect,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				asked = network + " " + addr
				return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		dialTestTalk(t, c)
		if asked != test.want {
			t.Errorf("%s: dialled %q, want %q", test.url, asked, test.want)
		}
	}
	broken := errors.New("no route")
	_, _, err := dialTestDial(t, "ws://example.com", &websocket.DialOptions{
		Proxy:       dialTestDirect,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, broken },
	})
	if dialTestHandshakeError(t, err, 0, "no route"); !errors.Is(err, broken) {
		t.Errorf("%v does not wrap the dialer's error", err)
	}
}

// The client's checks of RFC 6455 §4.1 and §9.1, each broken once.
func TestDialRefusesAnAnswerThatIsWrongIn(t *testing.T) {
	const good = "HTTP/1.1 101 S\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: PROOF\n"
	without := func(field string) string {
		lines := strings.SplitAfter(good, "\n")
		return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, field+":") }), "")
	}
	chat := websocket.DialOptions{Subprotocols: []string{"chat"}}
	deflate := websocket.DialOptions{Compression: websocket.Compression{Mode: websocket.CompressionTakeover}}
	lean := websocket.DialOptions{Compression: websocket.Compression{Mode: websocket.CompressionNoTakeover}}
	for _, test := range []struct {
		name   string
		answer string
		opts   websocket.DialOptions
		want   string
	}{
		{"HTTP/1.0", strings.Replace(good, "1.1", "1.0", 1), chat, "HTTP/1.1 was expected"},
		{"no Upgrade", without("Upgrade"), chat, "Upgrade: websocket was expected"},
		{"Upgrade to something else", strings.Replace(good, "websocket", "h2c", 1), chat, "Upgrade: websocket was expected"},
		{"Upgrade twice", good + "Upgrade: websocket\n", chat, "Upgrade: websocket was expected"},
		{"no Connection", without("Connection"), chat, "Connection: Upgrade was expected"},
		{"Connection to something else", strings.Replace(good, "n: Upgrade", "n: keep-alive", 1), chat, "Connection: Upgrade was expected"},
		{"no Accept", without("Sec-WebSocket-Accept"), chat, "did not prove"},
		{"Accept of another key", strings.Replace(good, "PROOF", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1), chat, "did not prove"},
		{"Accept in the wrong case", strings.Replace(good, "PROOF", "proof", 1), chat, "did not prove"},
		{"Accept twice", good + "Sec-WebSocket-Accept: PROOF\n", chat, "did not prove"},
		{"a subprotocol where none was offered", good + "Sec-WebSocket-Protocol: chat\n", websocket.DialOptions{}, `chose the subprotocol "chat"; none was offered`},
		{"a subprotocol that was not offered", good + "Sec-WebSocket-Protocol: mqtt\n", chat, `chose the subprotocol "mqtt", which is not among the 1 offered`},
		{"a subprotocol in another case", good + "Sec-WebSocket-Protocol: CHAT\n", chat, "not among"},
		{"two subprotocols", good + "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat\n", chat, "at most one"},
		{"an extension where none was offered", good + "Sec-WebSocket-Extensions: permessage-deflate\n", chat, `"permessage-deflate", which was not offered`},
		{"an extension that was not offered", good + "Sec-WebSocket-Extensions: x-webkit-deflate-frame\n", deflate, `"x-webkit-deflate-frame", which was not offered`},
		{"an extension twice", good + "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\n", deflate, "permessage-deflate twice"},
		{"an extension's syntax", good + "Sec-WebSocket-Extensions: permessage-deflate; =\n", deflate, "malformed"},
		{"an unknown parameter", good + "Sec-WebSocket-Extensions: permessage-deflate; speed=11\n", deflate, `no parameter "speed"`},
		{"a parameter twice", good + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover\n", deflate, "twice"},
		{"a window too small", good + "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\n", deflate, "must be from 8 to 15"},
		{"a window without a size", good + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n", deflate, "needs a value"},
		{"a demand passed over", good + "Sec-WebSocket-Extensions: permessage-deflate\n", lean, "without server_no_context_takeover"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hungUp := make(chan error, 1)
			url := dialTestRaw(t, func(nc net.Conn, req *http.Request) {
				answer := strings.Replace(test.answer, "PROOF", dialTestProof(req), -1)
				io.WriteString(nc, strings.ReplaceAll(answer+"\n", "\n", "\r\n"))
				_, err := io.Copy(io.Discard, nc)
				hungUp <- err
			})
			_, resp, err := dialTestDial(t, url, &test.opts)
			refused := dialTestHandshakeError(t, err, 101, test.want)
			if resp == nil || refused.Response != resp {
				t.Error("the answer is not handed out")
			}
			if err := <-hungUp; err != nil {
				t.Errorf("the connection was not closed in good order: %v", err)
			}
		})
	}
}

func TestDialAcceptsWhatServersMaySay(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*http.Request) string
	}{
		{"other case and white space", func(r *http.Request) string {
			return "HTTP/1.1 101 Whatever\r\nUPGRADE: \t WebSocket \r\nconnection: keep-alive , upGRADE\r\nsec-websocket-accept:" + dialTestProof(r) + "\r\n\r\n"
		}},
		{"no reason phrase", func(r *http.Request) string {
			return strings.Replace(dialTestSwitch(r), " Switching Protocols", "", 1) + "\r\n"
		}},
		{"a Content-Length, which means nothing here", func(r *http.Request) string {
			return dialTestSwitch(r) + "Content-Length: 9\r\n\r\n"
		}},
		{"interim answers before it (RFC 9110 §15.2)", func(r *http.Request) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + dialTestSwitch(r) + "\r\n"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := dialTestRaw(t, func(nc net.Conn, req *http.Request) {
				io.WriteString(nc, test.answer(req)+"\x81\x02ok")
				io.Copy(io.Discard, nc)
			})
			c, resp, err := dialTestDial(t, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != 101 {
				t.Errorf("status %d", resp.StatusCode)
			}
			if _, data, err := c.Read(t.Context()); err != nil || string(data) != "ok" {
				t.Errorf("read %q, %v", data, err)
			}
		})
	}
}

func TestDialLosesNothingThatComesBehindTheAnswer(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<12) // more than a read-ahead buffer
	frames := append([]byte("\x81\x05hello\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), want...)
	for _, test := range []struct {
		name string
		step int // bytes per write
	}{{"in one write", 1 << 20}, {"byte by byte", 1}} {
		t.Run(test.name, func(t *testing.T) {
			url := dialTestRaw(t, func(nc net.Conn, req *http.Request) {
				out := append([]byte(dialTestSwitch(req)+"\r\n"), frames...)
				step := test.step
				for len(out) > 0 {
					if len(out) <= len(want) {
						step = len(out)
					}
					n := min(step, len(out))
					if _, err := nc.Write(out[:n]); err != nil {
						return
					}
					out = out[n:]
				}
				io.Copy(io.Discard, nc)
			})
			c, _, err := dialTestDial(t, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if typ, data, err := c.Read(t.Context()); err != nil || typ != websocket.Text || string(data) != "hello" {
				t.Fatalf("first message: %v %q, %v", typ, data, err)
			}
			if typ, data, err := c.Read(t.Context()); err != nil || typ != websocket.Binary || !bytes.Equal(data, want) {
				t.Fatalf("second message: %v, %d bytes, %v", typ, len(data), err)
			}
		})
	}
}

func TestDialHandsOutWhatARefusingServerSays(t *testing.T) {
	long := strings.Repeat("more\n", 2000)
	s := dialTestServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "\n  come back at noon  \n"+long)
		case "/silent":
			w.WriteHeader(http.StatusNotFound)
		case "/ok":
			io.WriteString(w, "a page")
		case "/endless-line":
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, strings.Repeat("é", 1000))
		case "/version":
			w.Header().Set("Sec-WebSocket-Version", "8")
			w.WriteHeader(http.StatusUpgradeRequired)
		}
	}))
	for _, test := range []struct {
		path   string
		status int
		body   int
		want   string
	}{
		{"/long", 503, 4 << 10, "websocket: handshake: 503 Service Unavailable: come back at noon"},
		{"/silent", 404, 0, "404 Not Found: the server did not say why"},
		{"/ok", 200, 6, "200 OK: a page"},
		{"/endless-line", 418, 2000, strings.Repeat("é", 150)},
		{"/version", 426, 0, "426 Upgrade Required"},
	} {
		t.Run(test.path, func(t *testing.T) {
			_, resp, err := dialTestDial(t, s.URL+test.path, nil)
			refused := dialTestHandshakeError(t, err, test.status, test.want)
			if len(refused.Reason) > 300 {
				t.Errorf("a reason of %d bytes", len(refused.Reason))
			}
			if refused.Response != resp || resp.StatusCode != test.status {
				t.Errorf("response %v, and in the error %v", resp, refused.Response)
			}
			if body, err := io.ReadAll(resp.Body); err != nil || len(body) != test.body {
				t.Errorf("body of %d bytes, %v; want %d", len(body), err, test.body)
			}
		})
	}
}

func TestDialRefusesAnswersThatAreNoHTTP(t *testing.T) {
	for _, answer := range []string{"", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 101", "\x00\x00\x00"} {
		url := dialTestRaw(t, func(nc net.Conn, _ *http.Request) { io.WriteString(nc, answer) })
		_, _, err := dialTestDial(t, url, nil)
		dialTestHandshakeError(t, err, 0, "the answer could not be read")
	}
}

// dialTestPipe runs Dial in a bubble of its own time against serve, over a pipe. It waits for serve to return, which those
// do that read to the end once the connection is closed; and the bubble ends only when every goroutine of Dial's has
// ended. So nothing leaks, or the test fails.
func dialTestPipe(t *testing.T, url string, opts websocket.DialOptions, serve func(net.Conn), check func(c *websocket.Conn, took time.Duration, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if opts.Proxy == nil {
			opts.Proxy = dialTestDirect
		}
		served := make(chan struct{})
		opts.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer close(served)
				defer far.Close()
				serve(far)
			}()
			return near, nil
		}
		start := time.Now()
		c, _, err := websocket.Dial(t.Context(), url, &opts)
		check(c, time.Since(start), err)
		<-served
	})
}

func dialTestSilence(nc net.Conn) { io.Copy(io.Discard, nc) }

func TestDialGivesUpOn(t *testing.T) {
	trickle := func(nc net.Conn) {
		go io.Copy(io.Discard, nc)
		for _, b := range []byte("HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X: a\r\n", 100)) {
			time.Sleep(time.Second)
			if _, err := nc.Write([]byte{b}); err != nil {
				return
			}
		}
	}
	for _, test := range []struct {
		name  string
		url   string
		serve func(net.Conn)
		limit time.Duration // HandshakeTimeout
		after time.Duration
	}{
		{"a server that never answers", "ws://example.com", dialTestSilence, 0, 30 * time.Second},
		{"a server that never answers, sooner", "ws://example.com", dialTestSilence, time.Second, time.Second},
		{"a server that does not even read", "ws://example.com", func(nc net.Conn) { time.Sleep(time.Minute) }, time.Second, time.Second},
		{"a server that sends a byte a second", "ws://example.com", trickle, 0, 30 * time.Second},
		{"TLS that does not go on", "wss://example.com", dialTestSilence, 0, 30 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := websocket.DialOptions{HandshakeTimeout: test.limit}
			dialTestPipe(t, test.url, opts, test.serve, func(_ *websocket.Conn, took time.Duration, err error) {
				dialTestHandshakeError(t, err, 0, "gave up waiting", context.DeadlineExceeded.Error())
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not wrap the context's error", err)
				}
				if took != test.after {
					t.Errorf("gave up after %v, want %v", took, test.after)
				}
			})
		})
	}
}

func TestDialIsCancelled(t *testing.T) {
	for _, url := range []string{"ws://example.com", "wss://example.com"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			closed := make(chan struct{})
			_, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
				HandshakeTimeout: -1,
				Proxy:            dialTestDirect,
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go func() { dialTestSilence(far); far.Close(); close(closed) }()
					return near, nil
				},
			})
			if dialTestHandshakeError(t, err, 0, "gave up waiting"); !errors.Is(err, context.Canceled) {
				t.Errorf("%v does not wrap context.Canceled", err)
			}
			<-closed
		})
	}
}

func TestDialBoundsTheAnswersHeader(t *testing.T) {
	for _, line := range []string{"X-Filler: " + strings.Repeat("a", 1000) + "\r\n", strings.Repeat("a", 1000)} {
		sent := 0
		serve := func(nc net.Conn) {
			go io.Copy(io.Discard, nc)
			io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n")
			for {
				n, err := io.WriteString(nc, line)
				if sent += n; err != nil {
					return
				}
			}
		}
		dialTestPipe(t, "ws://example.com", websocket.DialOptions{}, serve, func(_ *websocket.Conn, _ time.Duration, err error) {
			dialTestHandshakeError(t, err, 0, "the answer could not be read")
		})
		if sent > 64<<10 {
			t.Errorf("read %d bytes of header", sent)
		}
	}
}

func TestDialBoundsInterimAnswers(t *testing.T) {
	serve := func(nc net.Conn) {
		go io.Copy(io.Discard, nc)
		for {
			if _, err := io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
	}
	dialTestPipe(t, "ws://example.com", websocket.DialOptions{}, serve, func(_ *websocket.Conn, _ time.Duration, err error) {
		dialTestHandshakeError(t, err, 0, "the answer could not be read")
	})
}

// The context and the time limit are the handshake's, not the connection's.
func TestDialsContextEndsWithTheHandshake(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		s := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
		ctx, cancel := context.WithCancel(t.Context())
		c, _, err := websocket.Dial(ctx, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		cancel()
		for range 3 {
			dialTestTalk(t, c)
		}
	})
	t.Run("timed out", func(t *testing.T) {
		serve := func(nc net.Conn) {
			req, err := http.ReadRequest(bufio.NewReader(nc))
			if err != nil {
				return
			}
			io.WriteString(nc, dialTestSwitch(req)+"\r\n")
			time.Sleep(time.Minute)
			io.WriteString(nc, "\x81\x04late")
			io.Copy(io.Discard, nc)
		}
		opts := websocket.DialOptions{HandshakeTimeout: time.Second}
		dialTestPipe(t, "ws://example.com", opts, serve, func(c *websocket.Conn, _ time.Duration, err error) {
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if _, data, err := c.Read(context.Background()); err != nil || string(data) != "late" {
				t.Errorf("read %q, %v", data, err)
			}
		})
	})
}

// dialTestMoved redirects everything but /chat, which it answers with an echo, and keeps the last request for /chat.
type dialTestMoved struct {
	to   func(r *http.Request) string // the Location for r
	code int
	last atomic.Pointer[http.Request]
	hops atomic.Int32
}

func (m *dialTestMoved) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/chat" {
		m.last.Store(r)
		websocket.Handler(dialTestEcho, nil).ServeHTTP(w, r)
		return
	}
	m.hops.Add(1)
	if to := m.to(r); to != "" {
		w.Header().Set("Location", to)
	}
	w.WriteHeader(m.code)
	io.WriteString(w, "moved")
}

func dialTestTo(location string) func(*http.Request) string {
	return func(*http.Request) string { return location }
}

func TestDialFollowsRedirects(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			other := &dialTestMoved{}
			away := dialTestServer(t, other)
			for _, location := range []string{"/chat", "chat?x=1", "ws" + strings.TrimPrefix(away.URL, "http") + "/chat", away.URL + "/chat#top"} {
				m := &dialTestMoved{to: dialTestTo(location), code: code}
				c, resp, err := dialTestDial(t, dialTestServer(t, m).URL+"/old", nil)
				if err != nil {
					t.Fatalf("Location %s: %v", location, err)
				}
				dialTestTalk(t, c)
				if resp.StatusCode != 101 {
					t.Errorf("Location %s: the response is not the last one: %s", location, resp.Status)
				}
			}
		})
	}
}

func TestDialBoundsRedirects(t *testing.T) {
	for _, test := range []struct{ max, follows int }{{0, 5}, {1, 1}, {7, 7}, {-1, 0}} {
		m := &dialTestMoved{to: dialTestTo("/again"), code: http.StatusFound}
		_, resp, err := dialTestDial(t, dialTestServer(t, m).URL, &websocket.DialOptions{MaxRedirects: test.max})
		dialTestHandshakeError(t, err, 302, "no more redirects are followed (see MaxRedirects)")
		if got := int(m.hops.Load()) - 1; got != test.follows {
			t.Errorf("MaxRedirects %d: %d followed, want %d", test.max, got, test.follows)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "moved" {
			t.Errorf("body %q, %v", body, err)
		}
	}
}

func TestDialRefusesRedirects(t *testing.T) {
	plain := dialTestServer(t, websocket.Handler(dialTestEcho, nil))
	for _, test := range []struct{ name, location, want string }{
		{"from wss to ws", plain.URL, "would give up the encryption"},
		{"without a Location", "", "without a usable Location"},
		{"to nonsense", "ws://%zz", "without a usable Location"},
		{"to another scheme", "ftp://example.com/", `has the scheme "ftp"`},
		{"to a Unix socket", "wss+unix:///run/secret.sock:/", "Unix socket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, trust := dialTestTLSServer(t, &dialTestMoved{to: dialTestTo(test.location), code: http.StatusFound})
			dialled := 0
			_, resp, err := dialTestDial(t, s.URL, &websocket.DialOptions{
				TLSConfig: trust,
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					dialled++
					return new(net.Dialer).DialContext(ctx, network, addr)
				},
			})
			dialTestHandshakeError(t, err, 302, "it redirects", test.want)
			if resp == nil || dialled != 1 {
				t.Errorf("response %v after %d dials", resp, dialled)
			}
		})
	}
}

func TestDialKeepsCredentialsFromOtherHosts(t *testing.T) {
	header := http.Header{
		"Authorization": {"Bearer secret"},
		"cookie":        {"sid=secret"}, // keys need not be canonical
		"X-Plain":       {"kept"},
	}
	for _, test := range []struct {
		name    string
		away    bool // the redirect leads to another host
		private bool // what arrives there has the credentials
	}{{"same host", false, true}, {"other host", true, false}} {
		t.Run(test.name, func(t *testing.T) {
			last := &dialTestMoved{}
			other := dialTestServer(t, last)
			location := "/chat"
			if test.away {
				location = other.URL + "/chat"
			}
			m := &dialTestMoved{to: dialTestTo(location), code: http.StatusFound}
			s := dialTestServer(t, m)
			if !test.away {
				last = m
			}
			c, _, err := dialTestDial(t, s.URL+"/old", &websocket.DialOptions{Header: header, Host: "front.example"})
			if err != nil {
				t.Fatal(err)
			}
			dialTestTalk(t, c)
			r := last.last.Load()
			if got := r.Header.Get("Authorization") != ""; got != test.private {
				t.Errorf("Authorization: %q", r.Header["Authorization"])
			}
			if got := r.Header.Get("Cookie") != ""; got != test.private {
				t.Errorf("Cookie: %q", r.Header["Cookie"])
			}
			if got := r.Host == "front.example"; got != test.private {
				t.Errorf("Host: %q", r.Host)
			}
			if r.Header.Get("X-Plain") != "kept" {
				t.Errorf("X-Plain: %q", r.Header["X-Plain"])
			}
			if len(header) != 3 {
				t.Errorf("the caller's header was changed: %v", header)
			}
		})
	}
}

func TestDialKeepsUserinfoFromOtherHosts(t *testing.T) {
	home := &dialTestMoved{code: http.StatusFound}
	away := &dialTestMoved{code: http.StatusFound}
	homeServer, awayServer := dialTestServer(t, home), dialTestServer(t, away)
	dial := func(t *testing.T) {
		t.Helper()
		c, _, err := dialTestDial(t, strings.Replace(homeServer.URL, "http://", "ws://ada:secret@", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		dialTestTalk(t, c)
	}
	t.Run("same host", func(t *testing.T) {
		home.to = dialTestTo("/chat")
		dial(t)
		if _, password, ok := home.last.Load().BasicAuth(); !ok || password != "secret" {
			t.Errorf("Authorization: %q", home.last.Load().Header["Authorization"])
		}
	})
	t.Run("other host", func(t *testing.T) {
		home.to = dialTestTo(awayServer.URL + "/chat")
		dial(t)
		if got, ok := away.last.Load().Header["Authorization"]; ok {
			t.Errorf("Authorization: %q", got)
		}
	})
	t.Run("there and back", func(t *testing.T) {
		home.to, away.to = dialTestTo(awayServer.URL+"/on"), dialTestTo(homeServer.URL+"/chat")
		dial(t)
		if got, ok := home.last.Load().Header["Authorization"]; ok {
			t.Errorf("Authorization: %q", got)
		}
	})
}

func TestDialGivesEachHostItsOwnCookies(t *testing.T) {
	var away atomic.Pointer[http.Request]
	s := dialTestServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "b.example" {
			away.Store(r)
			websocket.Handler(dialTestEcho, nil).ServeHTTP(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "a"})
		http.Redirect(w, r, "http://b.example/", http.StatusFound)
	}))
	jar, _ := cookiejar.New(nil)
	a, b := &url.URL{Scheme: "http", Host: "a.example"}, &url.URL{Scheme: "http", Host: "b.example"}
	jar.SetCookies(a, []*http.Cookie{{Name: "for", Value: "a"}})
	jar.SetCookies(b, []*http.Cookie{{Name: "for", Value: "b"}})
	_, _, err := dialTestDial(t, "ws://a.example", &websocket.DialOptions{
		Jar:   jar,
		Proxy: dialTestDirect,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := away.Load().Header.Get("Cookie"); got != "for=b" {
		t.Errorf("b.example got the cookies %q", got)
	}
	if len(jar.Cookies(a)) != 2 {
		t.Errorf("the jar holds %v for a.example: the redirect's cookie is missing", jar.Cookies(a))
	}
}
