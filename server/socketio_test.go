// What Socket.IO clients of the binary can do.

package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

func connected(t *testing.T, node *server.Server, auth string) *socket {
	t.Helper()
	s := dialSocket(t, node, "", nil)
	if refusal := s.connect(auth); refusal != "" {
		t.Fatal(refusal)
	}
	return s
}

func TestSocketIOClientsJoinPublishAndLeave(t *testing.T) {
	node := start(t, inDevMode())
	a, b := connected(t, node, ""), pollSocket(t, node)
	if refusal := b.connect(""); refusal != "" {
		t.Fatal(refusal)
	}
	for _, s := range []*socket{a, b} {
		if got := s.answered(`"join","lobby"`); !got.OK || got.Channel != "lobby" || got.Cursor == "" || got.Recovered != nil {
			t.Fatalf("join: %+v", got)
		}
		if got := s.emit(`"join","lobby"`); got != `[{"ok":true,"channel":"lobby","already":true}]` {
			t.Errorf("join again: %s", got)
		}
	}
	for i, c := range []struct{ proves, args, attachment, want string }{
		{"an event with data", `"publish","lobby","new-message",{"text":"<hi>"}`, "", `new-message {"text":"<hi>"} lobby#1`},
		{"data alone", `"publish","lobby",{"text":"hi"}`, "", `message {"text":"hi"} lobby#2`},
		{"text alone", `"publish","lobby","hi"`, "", `message "hi" lobby#3`},
		{"several arguments", `"publish","lobby","moved",1,"two",null`, "", `moved 1 "two" null lobby#4`},
		{"bytes", `"publish","lobby","blob",{"_placeholder":true,"num":0}`, "\x00\x01", `blob {"base64":"AAE="} lobby#5`},
		{"bytes within JSON", `"publish","lobby","file",{"name":"a","content":{"_placeholder":true,"num":0}}`, "\x02", `file {"name":"a","content":{"base64":"Ag=="}} lobby#6`},
		{"an object", `"publish",{"channel":"lobby","event":"priced","data":7,"key":"gold","idempotency_key":"k"}`, "", `priced 7 lobby#7`},
		{"a name that is Socket.IO's", `"publish","lobby","disconnect",1`, "", `message 1 lobby#8`},
		{"a name that is the server's", `"publish","lobby","ringdown:disconnect",1`, "", `message 1 lobby#9`},
	} {
		t.Run(c.proves, func(t *testing.T) {
			a.t, b.t = t, t
			from := []*socket{a, b}[i%2]
			var attachments []string
			if c.attachment != "" {
				attachments = []string{c.attachment}
			}
			if got := from.answered(c.args, attachments...); !got.OK || got.Offset != uint64(i+1) || got.Cursor == "" {
				t.Errorf("the acknowledgement is %+v", got)
			}
			a.expect(c.want)
			b.expect(c.want)
		})
	}
	a.t, b.t = t, t
	if got := a.emit(`"leave","lobby"`); got != `[{"ok":true,"channel":"lobby"}]` {
		t.Errorf("leave: %s", got)
	}
	b.answered(`"publish","lobby","later"`)
	if got := a.answered(`"join",{"channel":"lobby","cursor":` + quoted(a.answered(`"history","lobby",{"limit":2}`).Cursor) + `}`); !got.OK || got.Recovered == nil || !*got.Recovered {
		t.Errorf("with a cursor: %+v", got)
	}
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestWhatSocketIOClientsCannotDoIsRefusedInTheAcknowledgement(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		c.Rules = []config.Rule{{Pattern: "open", Subscribe: "everyone", Publish: "everyone", Slow: "disconnect", Backlog: 1 << 10, History: config.History{Count: 10}},
			{Pattern: "mine", Subscribe: "server", Publish: "server", Slow: "disconnect", Backlog: 1 << 10}}
		c.Limits.MessageSize = 500
	}))
	s := connected(t, node, "")
	for _, c := range []struct{ proves, args, code, sentence string }{
		{"a channel for the server", `"join","mine"`, "not_allowed", "only the server may"},
		{"publishing where nobody may", `"publish","mine","x"`, "not_allowed", "only the server may"},
		{"no channel", `"join"`, "bad_request", `emit("join", "lobby")`},
		{"no name", `"join",""`, "bad_channel", ""},
		{"a number for a channel", `"join",7`, "bad_request", "channel's name or an object"},
		{"an option that is none", `"join","open",{"presense":true}`, "bad_request", "presense"},
		{"too many arguments", `"join","open",{},{}`, "bad_request", "3 arguments"},
		{"a cursor that is none", `"join","open",{"cursor":"?"}`, "bad_cursor", ""},
		{"no presence there", `"join","open",{"presence":true}`, "no_presence", ""},
		{"leaving where it is not", `"leave","open"`, "not_subscribed", ""},
		{"publishing nothing", `"publish","open"`, "bad_request", "no data"},
		{"an event that is no text", `"publish","open",1,2`, "bad_request", "name of an event"},
		{"an object without data", `"publish",{"channel":"open"}`, "bad_request", `"data"`},
		{"an object with more than there is", `"publish",{"channel":"open","data":1,"room":"x"}`, "bad_request", "room"},
		{"too much", `"publish","open",` + quoted(strings.Repeat("x", 600)), "too_large", "600"},
		{"history of 0", `"history","open",{"limit":0}`, "bad_request", "limit"},
		{"history that is not kept", `"history","other"`, "no_history", ""},
		{"a token where there are no keys", `"authenticate","x.y.z"`, "unauthorized", ""},
		{"no token", `"authenticate"`, "bad_request", "token"},
		{"a call that nobody answers", `"order",1`, "unknown_method", `"order"`},
	} {
		t.Run(c.proves, func(t *testing.T) {
			s.t = t
			if got := s.answered(c.args); got.OK || got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.sentence) {
				t.Errorf("%+v", got)
			}
		})
	}
	s.t = t
	s.write(`42["publish","mine","without an acknowledgement"]`, false)
	if got := s.answered(`"publish","open","and goes on"`); !got.OK {
		t.Errorf("%+v", got)
	}
	if metrics := scrape(t, node); !strings.Contains(metrics, `ringdown_refusals_total{code="not_allowed"} 3`) || !strings.Contains(metrics, `ringdown_engineio_sessions 1`) {
		t.Errorf("the metrics say\n%s", metrics)
	}
}

func scrape(t *testing.T, node *server.Server) string {
	t.Helper()
	body, _ := io.ReadAll(request(t, node, "GET", "/metrics", "", "").Body)
	return string(body)
}

func TestOtherNamespacesAreRefused(t *testing.T) {
	s := dialSocket(t, start(t, inDevMode()), "", nil)
	refused := func() {
		t.Helper()
		s.write("40/admin,", false)
		if got, _ := s.next(); got != `4/admin,{"message":"Invalid namespace"}` {
			t.Errorf("%s", got)
		}
	}
	refused()
	if refusal := s.connect(""); refusal != "" {
		t.Fatal(refusal)
	}
	refused()
}

func TestHistoryAndPresenceOverSocketIO(t *testing.T) {
	node := start(t, inDevMode())
	a := connected(t, node, "")
	a.answered(`"join","lobby",{"presence":true}`)
	b := connected(t, node, "")
	b.answered(`"join","lobby"`)
	var came struct {
		Channel  string
		Joined   struct{ Session string }
		Sessions int
	}
	for came.Joined.Session != b.id { // its own coming may be told, too
		e := a.event()
		json.Unmarshal(e.args[0], &came)
		if e.name != "ringdown:presence" || came.Channel != "lobby" {
			t.Fatalf("%v", e)
		}
	}
	if got := b.answered(`"presence","lobby"`); !got.OK || got.Sessions != 2 || len(got.Members) != 2 {
		t.Errorf("%+v", got)
	}
	for i := range 3 {
		b.answered(fmt.Sprintf(`"publish","lobby",%d`, i))
	}
	if got := a.answered(`"history","lobby",{"limit":2}`); !got.OK || len(got.Messages) != 2 || got.Messages[1].Data != float64(2) {
		t.Errorf("%+v", got)
	}
}

func TestTheBackendsHooksHoldForSocketIOClients(t *testing.T) {
	house := newHouse(t)
	node := start(t, house.with("connect subscribe publish call disconnect"))
	dial := func(login string) *socket {
		return dialSocket(t, node, "", &websocket.DialOptions{Header: http.Header{"Cookie": {"login=" + login}}})
	}
	if refusal := dial("forged").connect(""); !strings.Contains(refusal, "log in first") || !strings.Contains(refusal, `"code":"unauthorized"`) {
		t.Errorf("connect: %q", refusal)
	}
	s := dial("ann")
	if refusal := s.connect(""); refusal != "" {
		t.Fatal(refusal)
	}
	if e := s.event(); e.name != "ringdown:subscribed" || !strings.Contains(string(e.args[0]), `"channel":"news"`) || !strings.Contains(string(e.args[0]), `"forced":true`) {
		t.Errorf("%v", e)
	}
	if got := s.answered(`"join","club"`); got.Error.Code != "members_only" || got.Error.Message != "join the club first" {
		t.Errorf("subscribe: %+v", got)
	}
	if got := s.answered(`"publish","news","asked","what the heck"`); !got.OK {
		t.Errorf("publish: %+v", got)
	}
	s.expect(`said "what the ✿✿✿" news#1`)
	if got := s.emit(`"whoami",1,{"two":2}`); !strings.Contains(got, `"user":"ann"`) || !strings.Contains(got, s.id) || !strings.Contains(got, `"protocol":"socket.io"`) {
		t.Errorf("call: %s", got)
	}
	if got := s.answered(`"buy"`); got.Error.Code != "sold_out" {
		t.Errorf("a call that is refused: %+v", got)
	}
	s.write("41", false)
	select {
	case gone := <-house.gone:
		if gone.Session != s.id || gone.User != "ann" {
			t.Errorf("disconnect: %+v", gone)
		}
	case <-time.After(socketPatience):
		t.Error("the backend was not told that the client has gone")
	}
}

func TestCallsHaveTheArgumentsAsAnArrayWithBytesInBase64(t *testing.T) {
	asked := make(chan backend.Request, 1)
	node := start(t, callsAnswered(t, func(r *backend.Request) any {
		asked <- *r
		return map[string]any{"result": []any{"done", 1}}
	}))
	s := connected(t, node, "")
	if got := s.emit(`"order",{"n":1},{"_placeholder":true,"num":0},"x"`, "\x00\xff"); got != `[["done",1]]` {
		t.Errorf("%s", got)
	}
	r := <-asked
	if p, err := r.Payload(); err != nil || string(p.Bytes) != `[{"n":1},{"base64":"AP8="},"x"]` || r.Method != "order" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTheAPITakesSocketIOClientsInAndOutAndEndsThem(t *testing.T) {
	node := start(t, inDevMode())
	s := connected(t, node, "")
	api := func(operation, body string) {
		t.Helper()
		response, err := http.Post(fmt.Sprintf("http://%s/api/v1/%s", node.Addr(), operation), "application/json", strings.NewReader(fmt.Sprintf(body, s.id)))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(response.Body)
			t.Fatalf("%s: %s %s", operation, response.Status, text)
		}
	}
	api("subscribe", `{"session":%q,"channels":["orders"]}`)
	if e := s.event(); e.name != "ringdown:subscribed" || !strings.Contains(string(e.args[0]), `"forced":true`) {
		t.Errorf("%v", e)
	}
	request(t, node, "POST", "/channels/orders", "", "one")
	s.expect(`message "one" orders#1`)
	api("unsubscribe", `{"session":%q,"channels":["orders"]}`)
	if e := s.event(); e.name != "ringdown:unsubscribed" || !strings.Contains(string(e.args[0]), `"channel":"orders"`) {
		t.Errorf("%v", e)
	}
	api("disconnect", `{"session":%q,"reason":"go home"}`)
	s.ended()
	if e := s.event(); e.name != "ringdown:disconnect" || !strings.Contains(string(e.args[0]), "go home") || s.gone != "io server disconnect" {
		t.Errorf("%v, then %s", e, s.gone)
	}
}

func TestWhereSocketIOIsServed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "socket.io.min.js"), []byte("library"), 0o600); err != nil {
		t.Fatal(err)
	}
	usual := start(t, config.Default())
	moved := start(t, changed(func(c *config.Config) { c.SocketIO.Path, c.SocketIO.ClientLibrary = "/rt/io", folder }))
	off := start(t, changed(func(c *config.Config) { c.SocketIO.Enabled = false }))
	const hello = "?EIO=4&transport=polling"
	for _, c := range []struct {
		proves string
		node   *server.Server
		path   string
		status int
		text   string
	}{
		{"with a slash", usual, "/socket.io/" + hello, 200, `0{"sid"`},
		{"without", usual, "/socket.io" + hello, 200, `"pingInterval":25000`},
		{"nothing of the protocol", usual, "/socket.io/", 400, `"code":0`},
		{"a library that is not there", usual, "/socket.io/socket.io.js", 404, "socketio.client_library"},
		{"another file", usual, "/socket.io/passwd", 404, "connect to /socket.io/"},
		{"another path", moved, "/rt/io/" + hello, 200, `0{"sid"`},
		{"its library", moved, "/rt/io/socket.io.min.js", 200, "library"},
		{"the old path", moved, "/socket.io/" + hello, 404, "there is nothing here"},
		{"not at all", off, "/socket.io/" + hello, 404, "there is nothing here"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			response := request(t, c.node, "GET", c.path, "", "")
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || !strings.Contains(string(body), c.text) {
				t.Errorf("%s %s", response.Status, body)
			}
		})
	}
	for _, path := range []string{"", "/", "socket.io", "/a//b", "/{x}", "/connect/", "/channels", "/api/v1/", "/chat.js", "/a b"} {
		if c := changed(func(c *config.Config) { c.SocketIO.Path = path }); c.Check() == nil {
			t.Errorf("the path %q is taken", path)
		}
	}
}

func TestEventsOfSocketIOClientsCountAsMessages(t *testing.T) {
	s := connected(t, start(t, changed(func(c *config.Config) { c.Limits.Session.Messages, c.Limits.Burst = 2, time.Second })), "")
	told := make(map[string]int)
	for range 10 {
		told[s.answered(`"leave","lobby"`).Error.Code]++
	}
	if told["not_subscribed"] < 2 || told["rate_limited"] < 5 {
		t.Errorf("the answers were %v", told)
	}
}
