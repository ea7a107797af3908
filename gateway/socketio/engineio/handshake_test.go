// Handshakes, and every way in which a request is refused.

package engineio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

func TestTheOpenPacketSaysWhatTheClientNeeds(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	a := n.do("GET", "EIO=4&transport=polling&t=abc&b64=1&j=0&app=1", "")
	form := regexp.MustCompile(`^0\{"sid":"[A-Za-z0-9_-]{20,}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$`)
	if a.status != 200 || !form.MatchString(a.body) {
		t.Errorf("%d %q", a.status, a.body)
	}
	for field, want := range map[string]string{"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"} {
		if got := a.header.Get(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	s := n.socket("")
	if o := openingOf(t, s.read()); o.Upgrades == nil || len(o.Upgrades) != 0 || o.SID == "" {
		t.Errorf("over a WebSocket: %+v", o)
	}
}

func TestUpgradesAreListedOnlyWhereTheyWork(t *testing.T) {
	for name, o := range map[string]engineio.Options{"polling only": {NoWebSocket: true}, "no upgrade": {NoUpgrade: true}} {
		n := start(t, engineio.Handler{}, o)
		if got := openingOf(t, n.do("GET", "EIO=4&transport=polling", "").body).Upgrades; len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRequestsAreRefusedWithTheProtocolsCodes(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	polling := n.dial()
	ws, wsID := n.session()
	defer ws.CloseNow()
	for _, c := range []struct {
		name, method, query string
		fields              []string
		code                int
	}{
		{"no transport", "GET", "EIO=4", nil, 0},
		{"unknown transport", "GET", "EIO=4&transport=carrier-pigeon", nil, 0},
		{"WebTransport", "GET", "EIO=4&transport=webtransport", nil, 0},
		{"nothing at all", "GET", "", nil, 0},
		{"unknown sid", "GET", "EIO=4&transport=polling&sid=nope", nil, 1},
		{"unknown sid to POST", "POST", "EIO=4&transport=polling&sid=nope", nil, 1},
		{"POST first", "POST", "EIO=4&transport=polling", nil, 2},
		{"PUT first", "PUT", "EIO=4&transport=polling", nil, 2},
		{"DELETE first", "DELETE", "EIO=4&transport=websocket", nil, 2},
		{"WebSocket without Upgrade", "GET", "EIO=4&transport=websocket", nil, 3},
		{"WebSocket without Upgrade on a session", "GET", "EIO=4&transport=websocket&sid=" + polling.id, nil, 3},
		{"polling with Upgrade", "GET", "EIO=4&transport=polling", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 3},
		{"polling a WebSocket's session", "GET", "EIO=4&transport=polling&sid=" + wsID, nil, 3},
		{"posting to a WebSocket's session", "POST", "EIO=4&transport=polling&sid=" + wsID, nil, 3},
		{"foreign page", "GET", "EIO=4&transport=polling", []string{"Origin", "https://evil.example"}, 3},
		{"foreign page on a session", "POST", polling.query(), []string{"Origin", "https://evil.example"}, 3},
		{"PUT on a session", "PUT", polling.query(), nil, 3},
		{"DELETE on a session", "DELETE", polling.query(), nil, 3},
		{"PATCH on a session", "PATCH", polling.query(), nil, 3},
		{"broken query", "GET", "EIO=4&transport=polling&x=%zz", nil, 3},
		{"no version", "GET", "transport=polling", nil, 5},
		{"version 3", "GET", "EIO=3&transport=polling", nil, 5},
		{"version abc", "GET", "EIO=abc&transport=polling", nil, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := n.do(c.method, c.query, "4x", c.fields...)
			n.wantError(c.name, a, 400, c.code)
			if a.header.Get("Cache-Control") != "no-store" {
				t.Error("may be stored")
			}
		})
	}
	n.wantAlive(polling.id)
	n.wantAlive(wsID)
}

func TestARefusedWebSocketIsAnswered400(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	for name, query := range map[string]string{
		"unknown sid": "EIO=4&transport=websocket&sid=nope", "version": "EIO=3&transport=websocket", "no version": "transport=websocket", "transport": "EIO=4&transport=polling",
	} {
		_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.web.URL, "http")+"/engine.io/?"+query, nil)
		if err == nil || resp == nil || resp.StatusCode != 400 {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.web.URL, "http")+"/engine.io/?EIO=4&transport=websocket",
		&websocket.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil || resp == nil || resp.StatusCode != 400 {
		t.Errorf("foreign origin: %v, %v", resp, err)
	}
}

func TestATransportThatIsOffIsUnknown(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{NoPolling: true})
	n.wantError("polling", n.do("GET", "EIO=4&transport=polling", ""), 400, 0)
	n.session()
	n = start(t, engineio.Handler{}, engineio.Options{NoWebSocket: true})
	n.wantError("websocket", n.do("GET", "EIO=4&transport=websocket", "", "Connection", "Upgrade", "Upgrade", "websocket"), 400, 0)
	n.dial()
}

// teapot is an error that knows its status.
type teapot struct{}

func (teapot) Error() string { return "short and stout" }
func (teapot) Status() int   { return http.StatusTeapot }

func TestAllowDecides(t *testing.T) {
	n := start(t, engineio.Handler{Open: func(c *engineio.Conn) {
		text, _ := c.Data.(string)
		c.Send(false, []byte(text))
	}}, engineio.Options{Allow: func(r *http.Request) (any, error) {
		switch token := r.URL.Query().Get("token"); token {
		case "bad":
			return nil, errors.New("the token is bad")
		case "pot":
			return nil, teapot{}
		default:
			return "welcome, " + token, nil
		}
	}})
	a := n.do("GET", "EIO=4&transport=polling&token=bad", "")
	n.wantError("bad", a, 403, 4)
	if !strings.Contains(a.body, `"message":"the token is bad"`) {
		t.Error(a.body)
	}
	n.wantError("pot", n.do("GET", "EIO=4&transport=polling&token=pot", ""), http.StatusTeapot, 4)
	if a := n.do("GET", "EIO=4&transport=polling&token=ann", ""); !strings.HasSuffix(a.body, "\x1e4welcome, ann") {
		t.Errorf("%q: Data was not there in Open, or what Open sends not in the same answer", a.body)
	}
	s := n.socket("&token=bob")
	s.read()
	s.want("4welcome, bob")
	if got := n.server.Stats().Sessions; got != 2 {
		t.Errorf("%d sessions, want 2", got)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{MaxSessions: 2})
	c := n.dial()
	ws, _ := n.session()
	a := n.do("GET", "EIO=4&transport=polling", "")
	n.wantError("third", a, 503, 4)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	ws.Close(websocket.StatusNormalClosure, "")
	eventually(t, func() bool { return n.server.Stats().Sessions == 1 }, "the WebSocket's session to end")
	n.dial()
	n.wantAlive(c.id)
}

func TestHandshakesThatWouldHoldMuchAreRefused(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	long := strings.Repeat("x", 16<<10)
	n.wantError("header", n.do("GET", "EIO=4&transport=polling", "", "X-Long", long), http.StatusRequestHeaderFieldsTooLarge, 3)
	n.wantError("query", n.do("GET", "EIO=4&transport=polling&long="+long, ""), http.StatusRequestHeaderFieldsTooLarge, 3)
	if a := n.do("GET", "EIO=4&transport=polling", "", "Cookie", "a="+long[:6<<10]); a.status != http.StatusOK {
		t.Errorf("large cookies: %d %s", a.status, a.body)
	}
}

func TestTheHandshakeIsKept(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	a := n.do("GET", "EIO=4&transport=polling&room=a%20b", "", "X-Token", "secret", "Cookie", "a=1")
	h := n.conn(openingOf(t, a.body).SID).Handshake()
	if h.Query().Get("room") != "a b" || h.Header().Get("X-Token") != "secret" || h.Header().Get("Cookie") != "a=1" || h.URL().Path != "/engine.io/" {
		t.Errorf("%+v", h)
	}
	if h.Time.IsZero() || h.Secure || !h.Polling || h.RemoteAddr == "" || h.Host != strings.TrimPrefix(n.web.URL, "http://") {
		t.Errorf("%+v", h)
	}
	_, id := n.session()
	if h := n.conn(id).Handshake(); h.Polling || h.Header().Get("Sec-WebSocket-Key") != "" {
		t.Errorf("%+v", h)
	}
}

func TestIDsEndWithTheNodesName(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{Node: "node-7_b"})
	c := n.dial()
	if name, ok := engineio.NodeOf(c.id); !ok || name != "node-7_b" {
		t.Errorf("%q: %q, %v", c.id, name, ok)
	}
	c.post("4x")
	plain := start(t, engineio.Handler{}, engineio.Options{}).dial().id
	for id, want := range map[string]bool{plain: true, "": false, "short": false, plain + ".": false, plain + "x": false, plain + ".a/b": false, strings.Repeat("/", 24): false} {
		if name, ok := engineio.NodeOf(id); ok != want || name != "" && !want && ok {
			t.Errorf("%q: %q, %v", id, name, ok)
		}
	}
}

func TestTheCookieIsSetOnTheHandshakeOnly(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{Cookie: &http.Cookie{}})
	a := n.do("GET", "EIO=4&transport=polling", "")
	id := openingOf(t, a.body).SID
	if got, want := a.header.Get("Set-Cookie"), "io="+id+"; Path=/; HttpOnly; SameSite=Lax"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c := &client{n, id}
	if a := c.post("4x"); a.header.Get("Set-Cookie") != "" {
		t.Error("set again by a POST")
	}
	if a := c.get(); a.header.Get("Set-Cookie") != "" {
		t.Error("set again by a GET")
	}
	s, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.web.URL, "http")+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.CloseNow()
	if !strings.HasPrefix(resp.Header.Get("Set-Cookie"), "io=") {
		t.Errorf("over a WebSocket: %q", resp.Header)
	}
	if a := start(t, engineio.Handler{}, engineio.Options{}).do("GET", "EIO=4&transport=polling", ""); a.header.Get("Set-Cookie") != "" {
		t.Error("set though it is off")
	}
}

func TestPagesOfListedOriginsMayPoll(t *testing.T) {
	listed := start(t, engineio.Handler{}, engineio.Options{Accept: websocket.AcceptOptions{Origins: []string{"https://app.example"}}})
	anybody := start(t, engineio.Handler{}, engineio.Options{Accept: websocket.AcceptOptions{AnyOrigin: true}})
	for _, c := range []struct {
		name        string
		n           *node
		origin      string
		allow, cred string
		status      int
	}{
		{"listed", listed, "https://app.example", "https://app.example", "true", 200},
		{"not listed", listed, "https://evil.example", "", "", 400},
		{"none", listed, "", "", "", 200},
		{"its own", listed, listed.web.URL, listed.web.URL, "true", 200},
		{"any", anybody, "https://some.example", "*", "", 200},
	} {
		fields := []string{"Origin", c.origin}
		if c.origin == "" {
			fields = nil
		}
		for _, method := range []string{"GET", "OPTIONS"} {
			status := c.status
			if method == "OPTIONS" && status == 200 {
				status = 204
				fields = append(fields, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-token")
			}
			a := c.n.do(method, "EIO=4&transport=polling", "", fields...)
			if a.status != status || a.header.Get("Access-Control-Allow-Origin") != c.allow || a.header.Get("Access-Control-Allow-Credentials") != c.cred {
				t.Errorf("%s, %s: %d, %v", c.name, method, a.status, a.header)
			}
			if c.n == listed && !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s: caches are not told", c.name)
			}
			if status == 204 && c.origin != "" && (a.header.Get("Access-Control-Allow-Headers") != "x-token" || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST")) {
				t.Errorf("%s: preflight: %v", c.name, a.header)
			}
		}
	}
	if a := listed.do("GET", "EIO=4&transport=x", "", "Origin", "https://app.example"); a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("a page cannot read why it was refused")
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for name, o := range map[string]engineio.Options{
		"no transport": {NoPolling: true, NoWebSocket: true},
		"interval":     {PingInterval: -1},
		"timeout":      {PingTimeout: 10},
		"payload":      {MaxPayload: -1},
		"outbox":       {OutboxBytes: -1},
		"sessions":     {MaxSessions: -1},
		"node":         {Node: "a b"},
		"cookie":       {Cookie: &http.Cookie{Name: "a b"}},
		"origin":       {Accept: websocket.AcceptOptions{Origins: []string{"::"}}},
	} {
		if _, err := engineio.New(engineio.Handler{}, &o); err == nil || !strings.Contains(err.Error(), ":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheFinalSlashDoesNotMatter(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	for _, path := range []string{"/engine.io", "/engine.io/", "/"} {
		r := httptest.NewRequestWithContext(context.Background(), "GET", path+"?EIO=4&transport=polling", nil)
		w := httptest.NewRecorder()
		n.server.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Result().Body); w.Code != 200 || body[0] != '0' {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// Handshakes share the strings in which they are the same.
func TestEachHandshakeIsItsOwnClients(t *testing.T) {
	var got []string // Open has returned before the request is answered
	n := start(t, engineio.Handler{Open: func(c *engineio.Conn) {
		h := c.Handshake()
		got = append(got, h.Header().Get("Cookie")+" "+h.Query().Get("room")+" "+h.Host)
	}}, engineio.Options{})
	for i, c := range []struct{ cookie, room, host string }{
		{"a=1", "x", "one.example"}, {"a=1", "x", "one.example"}, {"a=2", "x", "one.example"}, {"a=2", "y", "one.example"}, {"a=2", "y", "two.example"}, {"a=1", "x", "one.example"},
	} {
		r, err := http.NewRequest(http.MethodGet, n.web.URL+"/engine.io/?EIO=4&transport=polling&room="+c.room, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		r.Header.Set("Cookie", c.cookie)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if want := c.cookie + " " + c.room + " " + c.host; len(got) != i+1 || got[i] != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}
