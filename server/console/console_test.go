package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/console"
)

// docs/console.md lists every route with its parameters, and no other.
func TestThePageListsWhatThereIs(t *testing.T) {
	page, err := os.ReadFile("../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(GET|POST) (/[^`]*)` \\| (.*) \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1)
	var told, are []string
	for _, row := range rows {
		told = append(told, fmt.Sprintf("%s %s: %s", row[1], row[2], row[4]))
	}
	for _, r := range console.Routes() {
		are = append(are, fmt.Sprintf("%s %s: %s", r.Method, r.Path, r.Means))
	}
	if diff := cmp.Diff(told, are); diff != "" {
		t.Errorf("docs/console.md has other routes than there are (-page +code):\n%s", diff)
	}
	n := start(t)
	for i, r := range console.Routes() {
		if i >= len(rows) || r.Method != "GET" {
			continue
		}
		parameters := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(rows[i][3], ""), -1)
		var wrong problem
		n.ask(400, &wrong, r.Method, strings.NewReplacer("{channel}", "news", "{session}", "x").Replace(r.Path)+"?nonsense=1", "")
		for _, p := range parameters {
			if !strings.Contains(wrong.Detail, p[1]) {
				t.Errorf("%s: the page has the parameter %s, and it is refused as %q", r.Path, p[1], wrong.Detail)
			}
		}
		_, known, _ := strings.Cut(wrong.Detail, "there are ")
		for _, name := range strings.FieldsFunc(known, func(c rune) bool { return c == ',' || c == ' ' }) {
			if !strings.Contains(rows[i][3], "`"+name+"`") {
				t.Errorf("%s takes %s, which the page does not have", r.Path, name)
			}
		}
	}
}

func TestNobodyIsLetInWithoutTheToken(t *testing.T) {
	for _, c := range []struct {
		proves string
		fields []string
		status int
	}{
		{"no token", []string{"Authorization"}, 401},
		{"another token", []string{"Authorization: Bearer " + token + "x"}, 401},
		{"the beginning of the token", []string{"Authorization: Bearer a-token"}, 401},
		{"another scheme", []string{"Authorization: Basic " + token}, 401},
		{"the token", nil, 200},
		{"the token and the scheme in other letters", []string{"Authorization: bearer " + token}, 200},
		{"a page of the node itself", []string{"Origin: http://node.example:8000"}, 200},
		{"a page of the node itself, which its browser tells", []string{"Origin: https://node.example", "Sec-Fetch-Site: same-origin"}, 200},
		{"a page of another host", []string{"Origin: http://evil.example"}, 403},
		{"a page of another port", []string{"Origin: http://node.example:8001"}, 403},
		{"a page without an origin", []string{"Origin: null"}, 403},
		{"a page elsewhere, without Origin", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a page of a neighbour", []string{"Origin: http://node.example:8000", "Sec-Fetch-Site: same-site"}, 403},
	} {
		for _, r := range console.Routes() {
			if r.Stream && c.status == 200 || r.Method != "GET" {
				continue
			}
			n := start(t)
			path := strings.NewReplacer("{channel}", "news", "{session}", "nobody").Replace(r.Path)
			status := c.status
			if status == 200 && strings.Contains(path, "nobody") {
				status = 404
			}
			if got := n.do(r.Method, path, "", c.fields...); got.StatusCode != status {
				t.Errorf("%s: %s is answered with %s, want %d", c.proves, path, got.Status, status)
			}
		}
	}
	short := start(t, func(o *console.Options) { o.Token = "short" })
	if got := short.do("GET", "/node", "", "Authorization: Bearer short"); got.StatusCode != 401 {
		t.Errorf("a token that can be guessed lets in: %s", got.Status)
	}
	none := start(t, func(o *console.Options) { o.Token = "" })
	if got := none.do("GET", "/node", "", "Authorization: Bearer "); got.StatusCode != 401 {
		t.Errorf("no token lets in: %s", got.Status)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	n := start(t)
	refused := false
	for range 1000 { // all within a few seconds, unless the machine stands still
		if refused = n.do("GET", "/node", "", "Authorization: Bearer wrong").StatusCode == 429; refused {
			break
		}
	}
	if !refused {
		t.Fatal("1000 guesses were all looked at")
	}
	n.address = "192.0.2.2:4711"
	if status := n.do("GET", "/node", "").StatusCode; status != 200 {
		t.Errorf("another address is kept out, too: %d", status)
	}
	n.address = "192.0.2.1:4711"
	for deadline := time.Now().Add(time.Minute); n.do("GET", "/node", "").StatusCode != 200; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the address is never forgiven")
		}
	}
}

func TestWhatIsNotThereIsRefusedInWords(t *testing.T) {
	n := start(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/nothing", "", 404, "docs/console.md"},
		{"POST", "/node", "", 405, "GET"},
		{"DELETE", "/sessions/x", "", 405, "GET"},
		{"GET", "/sessions/nobody", "", 404, "it may have ended"},
		{"POST", "/sessions/nobody/disconnect", "", 404, "it may have ended"},
		{"GET", "/sessions?limit=0", "", 400, "from 1 to 500"},
		{"GET", "/sessions?limit=501", "", 400, "from 1 to 500"},
		{"GET", "/sessions?limit=1&limit=2", "", 400, "2 times"},
		{"GET", "/sessions?%zz", "", 400, "escape"},
		{"GET", "/channels?pattern=%5B", "", 400, "chat:*"},
		{"GET", "/channels?sort=size", "", 400, "name, subscribers"},
		{"GET", "/channels?sort=subscribers&after=news", "", 400, "hand back"},
		{"GET", "/channels/news/history?before=x", "", 400, "whole number"},
		{"GET", "/channels/news/history?after=x.y.z", "", 400, "cursor"},
		{"GET", "/channels/news/history?before=3&after=abcdefgh-1", "", 400, "one of them"},
		{"GET", "/channels/plain:x/history", "", 404, "keeps no history"},
		{"GET", "/ended?after=new", "", 400, "whole number"},
		{"POST", "/channels/news/publish", "", 400, `no "data"`},
		{"POST", "/channels/news/publish", `{"dada":1}`, 400, "dada"},
		{"POST", "/channels/news/publish", `{"data":1} {}`, 400, "follows the end"},
		{"POST", "/channels/%00/publish", `{"data":1}`, 400, "channel"},
		{"POST", "/drain", "", 503, "the program"},
	} {
		var got problem
		n.ask(c.status, &got, c.method, c.path, c.body)
		if !strings.Contains(got.Detail, c.says) || got.Code == "" {
			t.Errorf("%s %s: %+v, want %q in it", c.method, c.path, got, c.says)
		}
	}
	var got problem
	n.ask(415, &got, "POST", "/channels/news/publish", `{"data":1}`, "Content-Type: text/plain")
	n.ask(413, &got, "POST", "/channels/news/publish", `{"data":"`+strings.Repeat("x", 2<<20)+`"}`)
	live := n.open(someone("ann", "192.0.2.7"), overWebSocket)
	for _, body := range []string{`{"code":1006}`, `{"code":3999}`, `{"code":5000}`, `{"reason":"` + strings.Repeat("x", 124) + `"}`} {
		n.ask(400, &got, "POST", "/sessions/"+live.session.ID()+"/disconnect", body)
	}
}

func TestTheNodeTellsOfItself(t *testing.T) {
	var healthy error
	drained := make(chan struct{})
	n := start(t, func(o *console.Options) {
		o.Node = func(context.Context) console.Node {
			return console.Node{Name: "n1", Version: "1.2", Started: time.Now().Add(-time.Minute), Dev: true, Broker: "redis", BrokerError: healthy,
				MaxSessions: 5, MaxSubscriptions: 6, MaxMessage: 7, OutboxBytes: 8, HistoryBytes: 9}
		}
		o.Values = func() []console.Value {
			return []console.Value{{"dev", "true", "--dev"}, {"log.level", "info", "default"}, {"drain.window", "1s", "/etc/ringdown.yaml:3"}, {"api.keys", "[…]", "RINGDOWN_API_KEYS"}}
		}
		o.Drain = func() { close(drained) }
	})
	var got struct {
		Name, Version, Go string
		Uptime            float64 `json:"uptime_seconds"`
		Dev, Draining     bool
		CanDrain          bool `json:"can_drain"`
		Broker            struct {
			Kind  string
			OK    bool
			Error string
		}
		Limits map[string]int
	}
	n.ask(200, &got, "GET", "/node", "")
	if got.Name != "n1" || got.Version != "1.2" || got.Uptime < 59 || !got.Dev || got.Draining || !got.CanDrain || !got.Broker.OK || got.Limits["subscriptions"] != 6 {
		t.Errorf("%+v", got)
	}
	healthy = errors.New("redis://user:hunter2@db is away")
	n.ask(200, &got, "GET", "/node", "")
	if got.Broker.OK || got.Broker.Error != "redis://user:…@db is away" {
		t.Errorf("a broker that is away: %+v", got.Broker)
	}
	var values struct {
		Values []struct{ Key, Value, Source, Where string }
	}
	n.ask(200, &values, "GET", "/config", "")
	sources := ""
	for _, v := range values.Values {
		sources += v.Source + " " + v.Where + "; "
	}
	if sources != "flag --dev; default ; file /etc/ringdown.yaml:3; environment RINGDOWN_API_KEYS; " {
		t.Errorf("the sources are %q", sources)
	}
	var nodes struct{ Nodes []map[string]any }
	n.ask(200, &nodes, "GET", "/nodes", "")
	if len(nodes.Nodes) != 1 || nodes.Nodes[0]["health"] != "ok" || nodes.Nodes[0]["self"] != true {
		t.Errorf("a node by itself: %v", nodes)
	}
	var answer map[string]bool
	n.ask(200, &answer, "POST", "/drain", "")
	select {
	case <-drained:
	default:
		t.Error("nobody was told to drain")
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLWl0"
	for _, c := range []struct{ text, shown string }{
		{"nothing to hide, not even a = b", "nothing to hide, not even a = b"},
		{"http://x/console/#token=ABC", "http://x/console/#token=…"},
		{"/connect?token=" + jwt + "&x=1", "/connect?token=…&x=1"},
		{"the token " + jwt + " is bad", "the token … is bad"},
		{"Authorization: Bearer abcdefghijkl", "Authorization: Bearer …"},
		{"ringdown.bearer." + jwt, "ringdown.bearer …"},
		{"redis://me:secret@host:6379/0", "redis://me:…@host:6379/0"},
		{"amqp://:secret@host", "amqp://:…@host"},
		{"redis://me:half@secret@host:6379/0", "redis://me:…@host:6379/0"},
		{"amqp://host:5672/x me@host", "amqp://host:5672/x me@host"},
		{`Post "https://idp/x?client_secret=hunter2": timeout`, `Post "https://idp/x?client_secret=…": timeout`},
		{"session_token=hunter2 api-key=hunter2", "session_token=… api-key=…"},
		{`it said {"id": 1, "access_token":"hunter2", "x-password": "hunter2"}`, `it said {"id": 1, "access_token":"…", "x-password": "…"}`},
		{`it said {\"token\": \"hunter2\"}`, `it said {\"token\": \"…\"}`},
		{"X-Api-Key: hunter2, Authorization: Basic aHVudGVyMg==", "X-Api-Key: …, Authorization: Basic …"},
		{"Cookie: a=hunter2; b=hunter2\nAccept: *", "Cookie: …\nAccept: *"},
		{"password: hunter2", "password: …"},
		{"send Authorization: Bearer <token>, or ?token=", "send Authorization: Bearer <token>, or ?token="},
		{"https://x?api_key=1&password=2", "https://x?api_key=…&password=…"},
	} {
		if got := console.Redacted(c.text); got != c.shown {
			t.Errorf("%q is shown as %q, want %q", c.text, got, c.shown)
		}
	}
}

func TestEveryRefusalAndCloseCodeHasAdvice(t *testing.T) {
	seen := map[string]string{}
	check := func(name string, e hub.Ending) {
		advice := console.Advice(e)
		if len(advice) < 20 || !strings.HasSuffix(strings.TrimSuffix(advice, ")"), ".") && !strings.HasSuffix(advice, ").") {
			t.Errorf("%s has no advice in a sentence: %q", name, advice)
		}
		if other := seen[advice]; other != "" {
			t.Errorf("%s has the advice of %s", name, other)
		}
		seen[advice] = name
	}
	closes := map[int]bool{1000: true, 1001: true, 1002: true, 1003: true, 1005: true, 1006: true, 1010: true, 1014: true, 1015: true}
	for _, r := range hub.Refusals() {
		check(string(r.Code), hub.Ending{Code: r.Code})
		if r.Close != 0 {
			closes[r.Close] = true
		}
	}
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| <a id=\"([a-z_]+)\">.*\\| ([0-9]{4}|–) \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) != len(hub.Refusals()) {
		t.Errorf("docs/errors.md has %d rows, the table has %d", len(rows), len(hub.Refusals()))
	}
	for code := range closes {
		check(fmt.Sprint(code), hub.Ending{By: hub.ByClient, Close: code})
	}
	check("a client that has gone", hub.Ending{By: hub.ByClient})
	check("a line that broke", hub.Ending{By: hub.ByNetwork})
	check("silence", hub.Ending{By: hub.ByNetwork, Silent: true})
	check("a code of a program", hub.Ending{By: hub.ByClient, Close: 4711})
	check("a code of nobody", hub.Ending{By: hub.ByClient, Close: 2000})
	check("a code of the backend", hub.Ending{Code: "own"})
}

func FuzzWhatIsAskedFor(f *testing.F) {
	for _, query := range []string{"", "limit=5", "after=3:news&sort=subscribers", "find=ann&limit=x", "%zz", "a=1&a=2", "after=:&sort=subscribers"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		asked, err := console.ParseQuery(query, []string{"find", "after", "limit", "sort"})
		if err != nil {
			return
		}
		if limit, err := asked.Limit(); err == nil && (limit < 1 || limit > console.MaxPage) {
			t.Errorf("a page of %d", limit)
		}
		for _, sort := range []string{"name", "subscribers"} {
			after, further, err := console.PlaceIn(asked["after"], sort)
			if err != nil || !further {
				continue
			}
			again, _, err := console.PlaceIn(console.CursorOf(after, sort), sort)
			if err != nil || again != after {
				t.Errorf("%q is %+v, and then %+v, %v", asked["after"], after, again, err)
			}
			if _, n := after.Placed(); n < 0 {
				t.Errorf("%d subscribers", n)
			}
		}
		if _, err := json.Marshal(asked); err != nil {
			t.Error(err)
		}
	})
}
