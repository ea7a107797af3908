// The server's side of the opening handshake, over a real http.Server.

package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

// ask sends a request as it is and returns the answer with its body.
func ask(t *testing.T, dial func() (net.Conn, error), request string) (*http.Response, string) {
	t.Helper()
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, request)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(nil)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ = io.ReadAll(resp.Body)
	}
	return resp, string(body)
}

func TestAcceptRefusesWithASentence(t *testing.T) {
	good := upgradeRequest("")
	acceptor, err := websocket.NewAcceptor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		old, new string // what to replace in a good request
		status   int
		header   map[string]string
		words    string
	}{
		"no upgrade":          {"Upgrade: websocket\r\nConnection: Upgrade\r\n", "", 426, map[string]string{"Upgrade": "websocket"}, "this address speaks WebSocket"},
		"another protocol":    {"Upgrade: websocket", "Upgrade: h2c", 426, map[string]string{"Upgrade": "websocket"}, `Upgrade is "h2c"`},
		"no Connection":       {"Connection: Upgrade\r\n", "", 426, nil, "Connection is missing"},
		"an old version":      {"Version: 13", "Version: 8", 426, map[string]string{"Sec-WebSocket-Version": "13"}, "this server speaks 13"},
		"no version":          {"Sec-WebSocket-Version: 13\r\n", "", 426, map[string]string{"Sec-WebSocket-Version": "13"}, "is missing"},
		"POST":                {"GET /", "POST /", 405, map[string]string{"Allow": "GET"}, "a WebSocket handshake is a GET"},
		"no key":              {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, nil, "Sec-WebSocket-Key is missing"},
		"a short key":         {"dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400, nil, "16 random bytes"},
		"a body":              {"Host: ", "Content-Length: 2\r\nHost: ", 400, nil, "has a body"},
		"a broken extension":  {"Host: ", "Sec-WebSocket-Extensions: =\r\nHost: ", 400, nil, "Sec-WebSocket-Extensions"},
		"a subprotocol twice": {"Host: ", "Sec-WebSocket-Protocol: a, a\r\nHost: ", 400, nil, "offered twice"},
		"a foreign origin":    {"Host: ", "Origin: https://evil.example\r\nHost: ", 403, nil, `origin "https://evil.example" is not allowed`},
		"a null origin":       {"Host: ", "Origin: null\r\nHost: ", 403, nil, `origin "null"`},
		"a long header":       {"Host: ", "Cookie: " + strings.Repeat("c", 9000) + "\r\nHost: ", 431, nil, "this server takes 8192"},
		"many fields":         {"Host: ", strings.Repeat("X: y\r\n", 70) + "Host: ", 431, nil, "this server takes 64"},
	} {
		for by, judge := range map[string]func(http.ResponseWriter, *http.Request) error{
			"Accept": func(w http.ResponseWriter, r *http.Request) error {
				_, err := websocket.Accept(w, r, nil)
				return err
			},
			"Check": acceptor.Check,
		} {
			t.Run(name+" by "+by, func(t *testing.T) {
				refused := make(chan error, 1)
				dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { refused <- judge(w, r) }))
				resp, body := ask(t, dial, strings.Replace(good, test.old, test.new, 1))
				if resp.StatusCode != test.status || !strings.Contains(body, test.words) {
					t.Errorf("%s: %s", resp.Status, body)
				}
				for name, value := range test.header {
					if resp.Header.Get(name) != value {
						t.Errorf("%s: %q", name, resp.Header.Get(name))
					}
				}
				failed, ok := errors.AsType[*websocket.HandshakeError](<-refused)
				if !ok || failed.Status != test.status || !strings.Contains(failed.Error(), test.words) {
					t.Errorf("it returned %v", failed)
				}
			})
		}
	}
}

func TestCheckLeavesASoundHandshakeToAccept(t *testing.T) {
	acceptor, err := websocket.NewAcceptor(nil)
	if err != nil {
		t.Fatal(err)
	}
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := acceptor.Check(w, r); err != nil {
			t.Error(err)
		}
		if c, err := acceptor.Accept(w, r); err == nil {
			c.CloseNow()
		}
	}))
	if resp, body := ask(t, dial, upgradeRequest("")); resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

func TestAcceptChoosesAndAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		opts   websocket.AcceptOptions
		fields string // of the request, besides those it must have
		want   map[string]string
	}{
		"the key of RFC 6455 §1.3":   {websocket.AcceptOptions{}, "", map[string]string{"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol": "", "Sec-WebSocket-Extensions": ""}},
		"its own first subprotocol":  {websocket.AcceptOptions{Subprotocols: []string{"b", "a"}}, "Sec-WebSocket-Protocol: a, b\r\n", map[string]string{"Sec-WebSocket-Protocol": "b"}},
		"no subprotocol in common":   {websocket.AcceptOptions{Subprotocols: []string{"b"}}, "Sec-WebSocket-Protocol: a\r\n", map[string]string{"Sec-WebSocket-Protocol": ""}},
		"the same origin":            {websocket.AcceptOptions{}, "Origin: http://example.com\r\n", nil},
		"a listed origin":            {websocket.AcceptOptions{Origins: []string{"https://app.example:8443"}}, "Origin: https://app.example:8443\r\n", nil},
		"a listed pattern":           {websocket.AcceptOptions{Origins: []string{"*.app.example"}}, "Origin: https://x.app.example\r\n", nil},
		"any origin":                 {websocket.AcceptOptions{AnyOrigin: true}, "Origin: https://evil.example\r\n", nil},
		"more header":                {websocket.AcceptOptions{MaxHeaderBytes: 20_000}, "Cookie: " + strings.Repeat("c", 9000) + "\r\n", nil},
		"a header to add":            {websocket.AcceptOptions{Header: http.Header{"X-Node": {"7"}}}, "", map[string]string{"X-Node": "7"}},
		"no compression unasked":     {websocket.AcceptOptions{}, "Sec-WebSocket-Extensions: permessage-deflate\r\n", map[string]string{"Sec-WebSocket-Extensions": ""}},
		"no compression not offered": {websocket.AcceptOptions{Compression: websocket.Compression{Mode: websocket.CompressionTakeover}}, "Sec-WebSocket-Extensions: x-other\r\n", map[string]string{"Sec-WebSocket-Extensions": ""}},
		"the second offer": {websocket.AcceptOptions{Compression: websocket.Compression{Mode: websocket.CompressionNoTakeover}},
			"Sec-WebSocket-Extensions: permessage-deflate; unknown, permessage-deflate\r\n",
			map[string]string{"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover"}},
	} {
		t.Run(name, func(t *testing.T) {
			dial, _ := serve(t, overTCP, websocket.Handler(func(*websocket.Conn) {}, &test.opts))
			resp, body := ask(t, dial, strings.Replace(upgradeRequest(""), "Host: ", test.fields+"Host: ", 1))
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			for name, value := range test.want {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestBytesBehindTheHandshakeAreNotLost(t *testing.T) {
	for _, over := range []medium{overTCP, overPipe} {
		dial, _ := serve(t, over, websocket.Handler(func(c *websocket.Conn) { echo(c) }, nil))
		nc, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		p := &peer{t: t, nc: nc, r: bufio.NewReader(nc), role: wire.Client}
		go p.send([]byte(upgradeRequest("") + string(p.text("early")) + string(p.text("bird"))[:7]))
		if _, err := http.ReadResponse(p.r, nil); err != nil {
			t.Fatal(err)
		}
		p.want(wire.Text, "early")
	}
}

// wrapped is the ResponseWriter of a middleware.
type wrapped struct{ http.ResponseWriter }

// unwrapping is one that says so.
type unwrapping struct{ wrapped }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestAcceptThroughMiddleware(t *testing.T) {
	h := websocket.Handler(func(c *websocket.Conn) { echo(c) }, nil)
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "42"})
		w.Header().Set("Content-Type", "text/html")
		h.ServeHTTP(unwrapping{wrapped{unwrapping{wrapped{w}}}}, r)
	}))
	resp, body := ask(t, dial, upgradeRequest(""))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if got := resp.Header.Get("Set-Cookie"); got != "session=42" {
		t.Errorf("Set-Cookie: %q", got)
	}
	if got := resp.Header.Get("Content-Type"); got != "" {
		t.Errorf("Content-Type: %q on an answer without a body", got)
	}
}

func TestAcceptThroughMiddlewareThatHidesTheConnection(t *testing.T) {
	refused := make(chan error, 1)
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := websocket.Accept(wrapped{w}, r, nil)
		refused <- err
	}))
	resp, body := ask(t, dial, upgradeRequest(""))
	if resp.StatusCode != 500 || strings.Contains(body, "Unwrap") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	wantError(t, <-refused, nil, "needs an Unwrap method")
}

func TestAcceptRefusesToInjectHeaders(t *testing.T) {
	for name, header := range map[string]http.Header{
		"in a value": {"X-Name": {"x\r\nSet-Cookie: session=stolen"}},
		"in a name":  {"X-Name\r\nSet-Cookie": {"session=stolen"}},
	} {
		t.Run(name, func(t *testing.T) {
			refused := make(chan error, 1)
			dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := websocket.Accept(w, r, &websocket.AcceptOptions{Header: header})
				refused <- err
			}))
			resp, _ := ask(t, dial, upgradeRequest(""))
			if resp.StatusCode != 500 || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s, %v", resp.Status, resp.Header)
			}
			wantError(t, <-refused, nil, "X-Name")
		})
	}
}

func TestAcceptRefusesHTTP2Clearly(t *testing.T) {
	s := httptest.NewUnstartedServer(websocket.Handler(func(*websocket.Conn) {}, nil))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusHTTPVersionNotSupported || !strings.Contains(string(body), "over HTTP/1.1 only") {
		t.Errorf("%s %s: %s", resp.Proto, resp.Status, body)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	opts := &websocket.AcceptOptions{Origins: []string{"https://a.example/path"}}
	w := httptest.NewRecorder()
	_, err := websocket.Accept(w, httptest.NewRequest("GET", "/", nil), opts)
	wantError(t, err, nil, "AcceptOptions.Origins")
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "AcceptOptions.Origins") {
			t.Errorf("Handler panicked with %v", p)
		}
	}()
	websocket.Handler(nil, opts)
}

func TestHandlerEndsTheConnectionWithItsFunction(t *testing.T) {
	for name, test := range map[string]struct {
		serve  func(*websocket.Conn)
		code   websocket.StatusCode
		reason string
		logged string
	}{
		"it returns":               {func(*websocket.Conn) {}, 1000, "", ""},
		"it panics":                {func(*websocket.Conn) { panic("secret cause") }, 1011, "", "secret cause"},
		"it has closed":            {func(c *websocket.Conn) { c.Close(4000, "own words") }, 4000, "own words", ""},
		"it aborts, in http's way": {func(*websocket.Conn) { panic(http.ErrAbortHandler) }, 1000, "", ""},
	} {
		for by, handler := range map[string]http.Handler{"Handler": websocket.Handler(test.serve, nil), "Acceptor.Serve": acceptorServe(t, test.serve)} {
			t.Run(name+", "+by, func(t *testing.T) {
				var out lockedBuffer
				s := httptest.NewUnstartedServer(handler)
				s.Config.ErrorLog = log.New(&out, "", 0)
				s.Start()
				defer s.Close()
				c, _, err := websocket.Dial(soon(t), strings.Replace(s.URL, "http", "ws", 1), nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = c.Read(soon(t))
				closed, ok := errors.AsType[*websocket.CloseError](err)
				if !ok || closed.Code != test.code || closed.Reason != test.reason {
					t.Errorf("closed with %v", err)
				}
				if logged := out.String(); !strings.Contains(logged, test.logged) || (test.logged == "") != (logged == "") {
					t.Errorf("logged %q", logged)
				}
			})
		}
	}
}

// acceptorServe is Handler made of an Acceptor.
func acceptorServe(t *testing.T, serve func(*websocket.Conn)) http.Handler {
	a, err := websocket.NewAcceptor(nil)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.Serve(w, r, serve); err != nil {
			t.Error(err)
		}
	})
}

func TestAcceptorServeIsGivenTheRequestAndReturnsAtOnce(t *testing.T) {
	a, err := websocket.NewAcceptor(&websocket.AcceptOptions{Subprotocols: []string{"greeting"}})
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan error, 1)
	goOn := make(chan struct{})
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name") + " of " + r.Header.Get("X-Town")
		returned <- a.Serve(w, r, func(c *websocket.Conn) {
			<-goOn
			c.Write(context.Background(), websocket.Text, []byte("hello "+name+", in "+c.Subprotocol()))
			c.Read(context.Background())
		})
	}))
	c, _, err := websocket.Dial(soon(t), "ws://example.com/?name=ada", &websocket.DialOptions{
		DialContext:  func(context.Context, string, string) (net.Conn, error) { return dial() },
		Header:       http.Header{"X-Town": {"London"}},
		Subprotocols: []string{"greeting"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := <-returned; err != nil { // while the function still runs
		t.Error(err)
	}
	close(goOn)
	wantMessage(t, c, websocket.Text, "hello ada of London, in greeting")
}

func TestAcceptorServeAnswersWhatItRefuses(t *testing.T) {
	a, err := websocket.NewAcceptor(nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refused <- a.Serve(w, r, func(*websocket.Conn) { t.Error("a refused request is served") })
	}))
	resp, body := ask(t, dial, strings.Replace(upgradeRequest(""), "Host: ", "Origin: https://evil.example\r\nHost: ", 1))
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "is not allowed") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if failed, ok := errors.AsType[*websocket.HandshakeError](<-refused); !ok || failed.Status != http.StatusForbidden {
		t.Errorf("Serve returned %v", failed)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestHandlerLetsTheHTTPHandlerReturn(t *testing.T) {
	returned := make(chan bool)
	serving := make(chan *websocket.Conn)
	h := websocket.Handler(func(c *websocket.Conn) {
		<-returned // while this runs
		serving <- c
		echo(c)
	}, nil)
	dial, _ := serve(t, overTCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(returned)
	}))
	c, _, err := websocket.Dial(soon(t), "ws://example.com/", &websocket.DialOptions{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := <-serving
	if server.LocalAddr().String() != c.RemoteAddr().String() || server.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("addresses %v, %v; %v, %v", server.LocalAddr(), server.RemoteAddr(), c.LocalAddr(), c.RemoteAddr())
	}
	c.Write(soon(t), websocket.Text, []byte("hello"))
	wantMessage(t, c, websocket.Text, "hello")
	if err := c.Close(1000, ""); err != nil {
		t.Error(err)
	}
}
