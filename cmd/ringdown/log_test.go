package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// line is what the log says of a client.
type line struct {
	Message string `json:"msg"`
	Session string
	Remote  string
	Code    string
	Close   int
	Cause   string
	Cure    string
}

// said are the lines of a log in JSON. A line that is none fails the test; the last may not be whole yet.
func (p *process) said(t *testing.T) (all []line) {
	t.Helper()
	text := p.log.String()
	for one := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
		var l line
		if err := json.Unmarshal([]byte(one), &l); err != nil {
			t.Fatalf("%v: %s", err, one)
		}
		all = append(all, l)
	}
	return all
}

func TestEachRefusalAndEachDisconnectIsALineWithItsCauseAndCure(t *testing.T) {
	const key = "a-key-of-the-api-with-enough-letters"
	p := serveProcess(t, "--listen", "127.0.0.1:0", "--set", "log.format=json", "--set", "log.level=debug", "--set", "limits.message_size=1000",
		"--set", "auth.keys=[{secret: 0123456789abcdef0123456789abcdef}]", "--set", "api.keys=[{name: ops, secret: "+key+", rights: [all]}]")
	dial := func(path string, header http.Header) *websocket.Conn {
		c, _, err := websocket.Dial(t.Context(), "ws://"+p.host+path, &websocket.DialOptions{Header: header})
		if err != nil {
			return nil
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	ask := func(method, path, body string, header http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.host+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	foreign := http.Header{"Origin": {"https://evil.example"}}
	write := func(c *websocket.Conn, text string) {
		if err := c.Write(t.Context(), websocket.Text, []byte(text)); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		proves  string
		do      func()
		message string
		code    string
		session bool // there is one by then
	}{
		{"a foreign page at /connect", func() { dial("/connect", foreign) }, "refused", "foreign_origin", false},
		{"a foreign page at a channel", func() { dial("/channels/news", foreign) }, "refused", "foreign_origin", false},
		{"a bad token at /connect", func() { dial("/connect", bearer("x.y.z")) }, "refused", "unauthorized", false},
		{"a bad token at a channel", func() { ask("GET", "/channels/news", "", bearer("x.y.z")) }, "refused", "unauthorized", false},
		{"a POST that is not allowed", func() { ask("POST", "/channels/news", "x", http.Header{}) }, "refused", "not_allowed", false},
		{"a wrong key of the API", func() { ask("GET", "/api/v1/node", "", bearer("wrong")) }, "refused", "unauthorized", false},
		{"a command that is not allowed", func() { write(dial("/connect", nil), `{"type":"publish","channel":"news","data":"x","id":1}`) }, "refused", "not_allowed", true},
		{"a command that is none", func() { write(dial("/connect", nil), `nonsense`) }, "refused", "bad_request", true},
		{"many commands that are none", func() { write(dial("/connect", nil), strings.Repeat(`{"type":"x"}`, 3)) }, "refused", "bad_request", true},
		{"a message on a raw line that is not allowed", func() { write(dial("/channels/news", nil), "x") }, "closed", "not_allowed", true},
		{"a message that is too long", func() { write(dial("/channels/news", nil), strings.Repeat("x", 2000)) }, "closed", "too_large", true},
		{"a client that goes", func() { c := dial("/connect", nil); go c.Close(websocket.StatusNormalClosure, "") }, "closed", "", true},
		{"a line that breaks", func() { dial("/channels/news", nil).CloseNow() }, "closed", "", true},
	} {
		before := len(p.said(t))
		c.do()
		found := false
		for deadline := time.Now().Add(30 * time.Second); !found && time.Now().Before(deadline); {
			for _, l := range p.said(t)[before:] {
				if l.Message == c.message && l.Code == c.code {
					found = true
					if l.Remote == "" || l.Cause == "" || l.Cure == "" || c.session != (l.Session != "") {
						t.Errorf("%s: the line lacks something: %+v", c.proves, l)
					}
				}
			}
		}
		if !found {
			t.Errorf("%s: there is no line %q with the code %q:\n%s", c.proves, c.message, c.code, p.log.String())
		}
	}
	c := dial("/channels/news", nil)
	ask("POST", "/api/v1/publish", `{"channel":"news","data":"hello"}`, http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}})
	if _, payload, err := c.Read(t.Context()); err != nil || string(payload) != "hello" {
		t.Fatalf("%s, %v", payload, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.Read(t.Context())
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if last := fmt.Sprintf("%+v", p.said(t)); !strings.Contains(last, "Code:shutting_down") {
		t.Errorf("the shutdown is no line: %s", last)
	}
}
