// How Socket.IO clients of the binary come in, go, and come back.

package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

func TestTokensOfSocketIOClients(t *testing.T) {
	node := guarded(t, func(c *config.Config) { c.Auth.Anonymous, c.Auth.Cookie = false, "session" })
	token := mint(t, time.Minute, auth.Grant{Pattern: "chat:*", Rights: auth.Subscribe | auth.Publish})
	header := func(name, value string) *websocket.DialOptions {
		return &websocket.DialOptions{Header: http.Header{name: {value}}}
	}
	for _, c := range []struct {
		proves, query, auth string
		options             *websocket.DialOptions
		code                string
	}{
		{"in auth", "", `{"token":"` + token + `"}`, nil, ""},
		{"as Authorization", "", "", header("Authorization", "Bearer "+token), ""},
		{"in a cookie", "", "", header("Cookie", "session="+token), ""},
		{"in the query", "&token=" + token, "", nil, ""},
		{"in auth, with an old one in a cookie", "", `{"token":"` + token + `"}`, header("Cookie", "session=x.y.z"), ""},
		{"none", "", "", nil, "unauthorized"},
		{"an empty one", "", `{"token":""}`, nil, "unauthorized"},
		{"a number", "", `{"token":5}`, nil, "unauthorized"},
		{"a forged one", "", `{"token":"x.y.z"}`, nil, "unauthorized"},
		{"from yesterday", "", `{"token":"` + mint(t, -time.Second) + `"}`, nil, "token_expired"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			s := dialSocket(t, node, c.query, c.options)
			refusal := s.connect(c.auth)
			if c.code != "" {
				var told struct {
					Message string
					Data    struct{ Code string }
				}
				if json.Unmarshal([]byte(refusal), &told); told.Data.Code != c.code || told.Message == "" || strings.Contains(refusal, token) {
					t.Errorf("%q", refusal)
				}
				return
			}
			if refusal != "" {
				t.Fatal(refusal)
			}
			if got := s.answered(`"join","chat:1"`); !got.OK {
				t.Errorf("where it may: %+v", got)
			}
			if got := s.answered(`"join","news"`); got.Error.Code != "not_allowed" {
				t.Errorf("where it may not: %+v", got)
			}
		})
	}
}

func TestATokenThatExpiresEndsASocketWhichLearnsWhyAndOneThatIsRenewedDoesNot(t *testing.T) {
	t.Parallel()
	node := guarded(t, nil)
	short := `{"token":"` + mint(t, 3*time.Second) + `"}`
	stays, goes := connected(t, node, short), connected(t, node, short)
	if got := stays.answered(`"authenticate",` + quoted(mint(t, time.Minute))); !got.OK || got.User != "ann" {
		t.Fatalf("%+v", got)
	}
	goes.ended()
	if goes.gone != "io server disconnect" {
		t.Errorf("it ended with %q, after which clients come back by themselves", goes.gone)
	}
	e := goes.event()
	var told struct {
		Code, Message string
		Reconnect     bool
	}
	if json.Unmarshal(e.args[0], &told); e.name != "ringdown:disconnect" || told.Code != "token_expired" || told.Message == "" || told.Reconnect {
		t.Errorf("%v", e)
	}
	if got := stays.answered(`"join","news"`); !got.OK {
		t.Errorf("%+v", got)
	}
}

func TestASocketThatComesBackGoesOnWhereItWas(t *testing.T) {
	node := start(t, inDevMode())
	s := connected(t, node, "")
	s.answered(`"join","lobby",{"presence":true}`)
	other := connected(t, node, "")
	other.answered(`"publish","lobby",1`)
	for s.event().name != "message" {
	}
	back := dialSocket(t, node, "", nil) // while the old connection seems to live
	other.answered(`"publish","lobby",2`)
	if refusal := back.connect(s.auth("")); refusal != "" || back.id != s.id || back.pid != s.pid {
		t.Fatalf("%q, now %s and was %s", refusal, back.id, s.id)
	}
	for {
		e := back.event()
		if e.name != "message" {
			continue
		}
		if got := e.String(); got != "message 2 lobby#2" {
			t.Errorf("%s", got)
		}
		break
	}
	other.answered(`"join","lobby"`)
	for !strings.Contains(string(back.event().args[0]), other.id) { // it is still told who comes
	}
}

func TestASocketIsNotRecoveredIntoWhatItMayNotHearAnyMore(t *testing.T) {
	node := guarded(t, func(c *config.Config) {
		c.Rules = []config.Rule{{Pattern: "*", Subscribe: "users", Publish: "everyone", Slow: "disconnect", Backlog: 1 << 10, History: config.History{Count: 10}}}
	})
	wide := `"token":"` + mint(t, time.Minute) + `"`
	narrow := `"token":"` + mint(t, time.Minute, auth.Grant{Pattern: "chat:*", Rights: auth.Subscribe}) + `"`
	s := connected(t, node, "{"+wide+"}")
	s.answered(`"join","lobby"`)
	s.answered(`"publish","lobby",1`)
	s.expect("message 1 lobby#1")
	s.answered(`"publish","lobby","secret"`)
	back := dialSocket(t, node, "", nil)
	if refusal := back.connect(s.auth("," + narrow)); refusal != "" || back.id == s.id || len(back.waiting) > 0 {
		t.Fatalf("%q, %s was %s, and was told %v", refusal, back.id, s.id, back.waiting)
	}
	if got := back.answered(`"join","lobby"`); got.Error.Code != "not_allowed" {
		t.Errorf("%+v", got)
	}
}

func TestSocketsAreRecoveredOverAGracefulRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	node, stop := lives(t, file, io.Discard)
	s := connected(t, node, "")
	s.answered(`"join","lobby"`)
	s.answered(`"publish","lobby","blob",{"_placeholder":true,"num":0}`, "\x01")
	s.expect(`blob {"base64":"AQ=="} lobby#1`)
	stop()
	s.ended()
	if s.gone != "transport close" {
		t.Errorf("it ended with %q, after which clients do not come back", s.gone)
	}
	node, stop = lives(t, file, io.Discard)
	defer stop()
	lobby(t, node, "POST", "", "", "while it was away")
	back := dialSocket(t, node, "", nil)
	if refusal := back.connect(s.auth("")); refusal != "" || back.id != s.id {
		t.Fatalf("%q, %s was %s", refusal, back.id, s.id)
	}
	back.expect(`message "while it was away" lobby#2`)
	back.answered(`"publish","lobby",3`)
	back.expect(`message 3 lobby#3`)
}

func TestANodeThatStopsLetsPollingClientsGo(t *testing.T) {
	c := inDevMode()
	c.Listen.Address = "127.0.0.1:0"
	node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	go node.Serve()
	polls := pollSocket(t, node)
	polls.connect("")
	polls.answered(`"join","lobby"`)
	ctx, cancel := context.WithTimeout(t.Context(), socketPatience)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	polls.ended()
	if polls.gone != "transport close" {
		t.Errorf("it ended with %q", polls.gone)
	}
}

func TestPagesOfOtherOriginsHaveNoSocketIO(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Origins = []string{"https://app.example.com"} }))
	for origin, status := range map[string]int{"": 200, "https://app.example.com": 200, "https://evil.example": 400} {
		r, _ := http.NewRequest("GET", fmt.Sprintf("http://%s/socket.io/?EIO=4&transport=polling", node.Addr()), nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if allowed := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != status || status == 200 && allowed != origin {
			t.Errorf("%q: %s, allowed is %q", origin, response.Status, allowed)
		}
	}
}

func TestAClientThatIsRefusedAgainAndAgainIsCut(t *testing.T) {
	s := dialSocket(t, guarded(t, func(c *config.Config) { c.Auth.Anonymous = false }), "", nil)
	refused := 0
	for {
		s.write(`40{"token":"x.y.z"}`, false)
		if packet, ok := s.next(); !ok {
			break
		} else if packet[0] != '4' || refused > 100 {
			t.Fatalf("%d refusals, then %s", refused, packet)
		}
		refused++
	}
	if refused < 2 {
		t.Errorf("it was cut after %d refusals", refused)
	}
}

func TestNewPollingConnectionsAreCountedByAddress(t *testing.T) {
	t.Parallel()
	node := start(t, changed(func(c *config.Config) {
		c.Limits.NewConnections = 2
		c.Listen.TrustedProxies = []string{"127.0.0.1"}
	}))
	statuses := make(map[int]int)
	for range 30 {
		r, _ := http.NewRequest("GET", fmt.Sprintf("http://%s/socket.io/?EIO=4&transport=polling", node.Addr()), nil)
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		statuses[response.StatusCode]++
	}
	if statuses[200] < 2 || statuses[429] < 10 || statuses[200]+statuses[429] != 30 {
		t.Errorf("the answers were %v", statuses)
	}
}
