// The clients of the tests: they speak HTTP and WebSocket by hand, and follow scripts.

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// patience is how long anything may take.
const patience = 20 * time.Second

// target is a server under test and the path there.
type target struct {
	t   *testing.T
	url string // up to the query
}

func start(t *testing.T, s settings) (engine, events target) {
	t.Helper()
	handler, err := s.handler()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Config.Close() // a GET that waits is no reason to
	})
	return target{t, web.URL + "/engine.io/"}, target{t, web.URL + "/socket.io/"}
}

// opening is what an open packet says.
type opening struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

func (g target) opening(packet string) (o opening) {
	g.t.Helper()
	d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(packet, "0")))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || !strings.HasPrefix(packet, "0{") || o.SID == "" {
		g.t.Fatalf("%q is no open packet: %v", packet, err)
	}
	return o
}

type answer struct {
	status int
	header http.Header
	body   string
}

// try sends a request; length -1 sends the body in chunks.
func (g target) try(ctx context.Context, method, query string, body io.Reader, header http.Header) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, g.url+"?"+query, body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

func (g target) do(method, query, body string) answer {
	g.t.Helper()
	a, err := g.try(g.t.Context(), method, query, strings.NewReader(body), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// want fails if an answer has another status, or another body where one is given.
func (g target) want(what string, a answer, status int, body ...string) {
	g.t.Helper()
	if a.status != status || len(body) > 0 && a.body != body[0] {
		g.t.Errorf("%s: %d %.200q, want %d %q", what, a.status, a.body, status, body)
	}
}

// poll begins a session over long polling.
func (g target) poll() (p polling) {
	g.t.Helper()
	a := g.do("GET", "EIO=4&transport=polling", "")
	g.want("handshake", a, 200)
	return polling{g, g.opening(a.body).SID}
}

// polling is a session over long polling.
type polling struct {
	target
	sid string
}

func (p polling) query() string           { return "EIO=4&transport=polling&sid=" + p.sid }
func (p polling) post(body string) answer { p.t.Helper(); return p.do("POST", p.query(), body) }

// gone fails if the session is not over, or does not come to be.
func (p polling) gone() {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		a := p.post("4") // no pong, which would keep it alive
		if a.status == 400 && strings.Contains(a.body, `"code":1`) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the session goes on: %d %q", a.status, a.body)
		}
	}
}

// script plays requests: "POST packets" and "GET", each with the answer that must come.
func (p polling) script(steps ...[2]string) {
	p.t.Helper()
	for _, step := range steps {
		method, body, _ := strings.Cut(step[0], " ")
		if a := p.do(method, p.query(), body); a.status != 200 || !matches(a.body, step[1]) {
			p.t.Fatalf("%s: %d %.200q, want %q", step[0], a.status, a.body, step[1])
		}
	}
}

// matches compares with a text in which a "*" stands for anything.
func matches(text, pattern string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return text == pattern
	}
	return len(text) >= len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after)
}

// socket is a WebSocket.
type socket struct {
	*websocket.Conn
	t *testing.T
}

func (g target) socket(query string) *socket {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := "ws" + strings.TrimPrefix(g.url, "http") + "?EIO=4&transport=websocket" + query
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Limits: websocket.Limits{Message: -1}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.CloseNow() })
	return &socket{c, g.t}
}

// session begins a session with a WebSocket.
func (g target) session() *socket {
	g.t.Helper()
	s := g.socket("")
	if o := g.opening(s.next()); len(o.Upgrades) > 0 {
		g.t.Errorf("a WebSocket is offered the upgrades %q", o.Upgrades)
	}
	return s
}

// script plays a conversation: "> text" and ">b bytes" are said, "< text" and "<b bytes" must be heard, "closed" ends it. Heartbeats that
// are not in it are answered.
func (s *socket) script(lines ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, line := range lines {
		how, what, _ := strings.Cut(line, " ")
		switch how {
		case ">":
			s.Write(ctx, websocket.Text, []byte(what)) // what the server thinks of it is in the script
		case ">b":
			s.Write(ctx, websocket.Binary, []byte(what))
		case "<":
			if got := s.next(); !matches(got, what) {
				s.t.Fatalf("heard %.200q, want %q", got, what)
			}
		case "<b":
			if got := s.next(); got != "b:"+what {
				s.t.Fatalf("heard %.200q, want the bytes %q", got, what)
			}
		case "closed":
			s.closed()
		default:
			s.t.Fatalf("%q is no line of a script", line)
		}
	}
}

// closed reads to the end, which must be the server's doing.
func (s *socket) closed() {
	s.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		_, _, err := s.Read(ctx)
		late := ctx.Err()
		cancel()
		if late != nil {
			s.t.Fatal("the connection is open")
		}
		if err != nil {
			return
		}
	}
}

// next is the next message; bytes have "b:" before them.
func (s *socket) next() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	kind, b, err := s.Read(ctx)
	if err != nil {
		s.t.Fatalf("reading: %v", err)
	}
	if kind == websocket.Binary {
		return "b:" + string(b)
	}
	return string(b)
}
