// What the tests share: a server, clients that speak HTTP and WebSocket by hand, and a record of what the handler was told.

package engineio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// node is a server under test.
type node struct {
	t      testing.TB
	server *engineio.Server
	web    *httptest.Server

	mu    sync.Mutex // guards what follows
	conns map[string]*engineio.Conn
	ends  map[string]string // by session id: the reason
}

// echo answers each message with itself.
func echo(c *engineio.Conn, binary bool, payload []byte) { c.Send(binary, payload) }

// start starts a server. Its handler keeps a record besides what h does.
func start(t testing.TB, h engineio.Handler, o engineio.Options) *node {
	t.Helper()
	return startOn(t, h, o, func(*httptest.Server) {})
}

// startOn is start with a chance to set the HTTP server up.
func startOn(t testing.TB, h engineio.Handler, o engineio.Options, setUp func(*httptest.Server)) *node {
	t.Helper()
	n := &node{t: t, conns: make(map[string]*engineio.Conn), ends: make(map[string]string)}
	inner := h
	h.Open = func(c *engineio.Conn) {
		n.mu.Lock()
		n.conns[c.ID()] = c
		n.mu.Unlock()
		if inner.Open != nil {
			inner.Open(c)
		}
	}
	h.Close = func(c *engineio.Conn, reason engineio.Reason, err error) {
		n.mu.Lock()
		n.ends[c.ID()] = string(reason)
		n.mu.Unlock()
		if inner.Close != nil {
			inner.Close(c, reason, err)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	var err error
	if n.server, err = engineio.New(h, &o); err != nil {
		t.Fatal(err)
	}
	n.web = httptest.NewUnstartedServer(n.server)
	setUp(n.web)
	if n.web.URL == "" {
		n.web.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		n.server.Shutdown(ctx)
		n.web.CloseClientConnections()
		n.web.Close()
	})
	return n
}

// conn is the session with an id.
func (n *node) conn(id string) *engineio.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns[id]
}

// wantEnd waits until the handler was told of a session's end.
func (n *node) wantEnd(id string, want engineio.Reason) {
	n.t.Helper()
	ended := func() string {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.ends[id]
	}
	eventually(n.t, func() bool { return ended() != "" }, "the session to end")
	if got := ended(); got != string(want) {
		n.t.Errorf("ended for %q, want %q", got, want)
	}
}

// wantAlive fails if a session has ended.
func (n *node) wantAlive(id string) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if reason, ended := n.ends[id]; ended {
		n.t.Errorf("ended for %q, want it alive", reason)
	}
}

// eventually waits for something that must become true.
func eventually(t testing.TB, is func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; query follows the path, and body is sent by POST and the like.
func (n *node) do(method, query, body string, fields ...string) answer {
	n.t.Helper()
	a, err := n.try(context.Background(), method, query, strings.NewReader(body), fields...)
	if err != nil {
		n.t.Fatal(err)
	}
	return a
}

func (n *node) try(ctx context.Context, method, query string, body io.Reader, fields ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if method == http.MethodGet || method == http.MethodOptions {
		body = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, n.web.URL+"/engine.io/?"+query, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := n.web.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// opening is what an open packet says.
type opening struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// openingOf reads an open packet.
func openingOf(t testing.TB, packet string) opening {
	t.Helper()
	var o opening
	if !strings.HasPrefix(packet, "0") || json.Unmarshal([]byte(packet[1:]), &o) != nil {
		t.Fatalf("%q is no open packet", packet)
	}
	return o
}

// client is a polling session, from the client's side.
type client struct {
	*node
	id string
}

// dial begins a polling session.
func (n *node) dial() *client {
	n.t.Helper()
	a := n.do("GET", "EIO=4&transport=polling", "")
	if a.status != 200 {
		n.t.Fatalf("handshake: %d %s", a.status, a.body)
	}
	return &client{n, openingOf(n.t, a.body).SID}
}

func (c *client) query() string { return "EIO=4&transport=polling&sid=" + c.id }

func (c *client) get() answer             { c.t.Helper(); return c.do("GET", c.query(), "") }
func (c *client) post(body string) answer { c.t.Helper(); return c.do("POST", c.query(), body) }

// getting begins a GET, and returns once it waits at the server. Its answer comes through the channel.
func (c *client) getting(ctx context.Context) <-chan answer {
	c.t.Helper()
	answered := make(chan answer, 1)
	go func() {
		a, _ := c.try(ctx, "GET", c.query(), nil)
		answered <- a
	}()
	eventually(c.t, func() bool { return c.conn(c.id).Writable() || len(answered) > 0 }, "a GET to wait")
	return answered
}

// soon is what comes through a channel.
func soon[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// wantStatus fails if an answer has another status.
func (n *node) wantStatus(what string, a answer, status int) {
	n.t.Helper()
	if a.status != status {
		n.t.Errorf("%s: %d %q, want %d", what, a.status, a.body, status)
	}
}

// wantBody fails if an answer is not 200 with this body.
func (n *node) wantBody(what string, a answer, body string) {
	n.t.Helper()
	if a.status != 200 || a.body != body {
		n.t.Errorf("%s: %d %.200q, want 200 %q", what, a.status, a.body, body)
	}
}

// wantError fails if an answer is not the error with this code.
func (n *node) wantError(what string, a answer, status, code int) {
	n.t.Helper()
	var e struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	err := json.Unmarshal([]byte(a.body), &e)
	if a.status != status || err != nil || e.Code == nil || *e.Code != code || e.Message == "" || a.header.Get("Content-Type") != "application/json" {
		n.t.Errorf("%s: %d %q, want %d with code %d", what, a.status, a.body, status, code)
	}
}

// wantUnknown fails if the session can still be found.
func (c *client) wantUnknown() {
	c.t.Helper()
	c.wantError("GET", c.get(), 400, 1)
	c.wantError("POST", c.post("4x"), 400, 1)
}

// socket is a WebSocket, from the client's side.
type socket struct {
	*websocket.Conn
	t testing.TB
}

// socket opens a WebSocket; query follows EIO and transport.
func (n *node) socket(query string) *socket {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(n.web.URL, "http")+"/engine.io/?EIO=4&transport=websocket"+query, &websocket.DialOptions{
		Limits: websocket.Limits{Message: -1}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.CloseNow() })
	return &socket{c, n.t}
}

// session opens a WebSocket that begins a session, and returns its id, too.
func (n *node) session() (*socket, string) {
	n.t.Helper()
	s := n.socket("")
	return s, openingOf(n.t, s.read()).SID
}

func (s *socket) write(text string) {
	s.t.Helper()
	s.send(websocket.Text, []byte(text))
}

func (s *socket) send(typ websocket.MessageType, b []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Write(ctx, typ, b); err != nil {
		s.t.Fatal(err)
	}
}

// read is the next message; a binary one has "b:" before it.
func (s *socket) read() string {
	s.t.Helper()
	text, err := s.next()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *socket) next() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	typ, b, err := s.Read(ctx)
	if typ == websocket.Binary {
		return "b:" + string(b), err
	}
	return string(b), err
}

// want fails if the next messages are others.
func (s *socket) want(messages ...string) {
	s.t.Helper()
	for _, want := range messages {
		if got := s.read(); got != want {
			s.t.Fatalf("got %.200q, want %.200q", got, want)
		}
	}
}

// wantClosed fails if the WebSocket is not closed with a code; what still comes before it does not matter.
func (s *socket) wantClosed(code websocket.StatusCode) {
	s.t.Helper()
	for {
		_, err := s.next()
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != code {
			s.t.Errorf("closed with %v, want %v", err, code)
		}
		return
	}
}

// numbered is the i-th message of a test that counts them.
func numbered(i int) string { return fmt.Sprintf("message %d", i) }
