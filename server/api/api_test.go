package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/api"
)

type receipt struct {
	Channel     string
	Offset      uint64
	Cursor      string
	Subscribers int
	Duplicate   bool
}

type results struct {
	Published, Refused int
	Results            []struct {
		Channel string
		Receipt *receipt
		Error   *struct{ Code string }
	}
}

func TestWhatIsPublishedReachesSubscribersAndHistoryAsItIs(t *testing.T) {
	n := start(t, nil)
	n.open("", "news")
	var got receipt
	for _, data := range []string{`"text \u2028"`, `{"a": [1, 2]}`, `null`} {
		n.ask(201, &got, "POST", "/publish", `{"channel":"news","event":"e","key":"k","user":"ann","data":`+data+`}`)
	}
	n.ask(201, &got, "POST", "/publish", `{"channel":"news","data":"AAH/","encoding":"base64"}`)
	if got.Offset != 4 || got.Subscribers != 1 {
		t.Errorf("%+v", got)
	}
	all, err := n.hub.History(t.Context(), "news", hub.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		kind    hub.Kind
		payload string
	}{{hub.Text, "text \u2028"}, {hub.JSON, `{"a": [1, 2]}`}, {hub.JSON, "null"}, {hub.Binary, "\x00\x01\xff"}} {
		if p := all.Publications[i]; p.Kind != want.kind || string(p.Payload) != want.payload {
			t.Errorf("%d: %v %q", i, p.Kind, p.Payload)
		}
	}
	if p := all.Publications[0]; p.Event != "e" || p.Key != "k" || p.User != "ann" || p.Session != "" {
		t.Errorf("%+v", p)
	}
}

func TestOneRefusalInABatchKeepsTheOthersFromNothing(t *testing.T) {
	n := start(t, nil)
	var got results
	n.ask(200, &got, "POST", "/batch", `{"publications":[{"channel":"a","data":1},{"channel":" ","data":1},{"channel":"a"},`+
		`{"channel":"a","data":1,"encoding":"hex"},{"channel":"a","data":2,"user":" x"},{"channel":"a","data":"x"}]}`)
	var codes []string
	for _, r := range got.Results {
		if r.Error != nil {
			codes = append(codes, r.Error.Code)
			continue
		}
		codes = append(codes, fmt.Sprint(r.Receipt.Offset))
	}
	if want := []string{"1", "bad_channel", "bad_request", "bad_payload", "bad_request", "2"}; !slices.Equal(codes, want) || got.Published != 2 || got.Refused != 4 {
		t.Errorf("%v, %+v", codes, got)
	}
}

func TestRepeatingARequestWithAnIdempotencyKeyPublishesNothing(t *testing.T) {
	n := start(t, nil)
	for i, body := range []string{`{"channel":"a","data":1}`, `{"channels":["b","c"],"data":1}`, `{"publications":[{"channel":"d","data":1},{"channel":"d","data":2}]}`} {
		path := "/publish"
		if strings.Contains(body, "publications") {
			path = "/batch"
		}
		for range 2 {
			n.do(allKey, "POST", path, body, fmt.Sprintf("Idempotency-Key: key-%d", i))
		}
	}
	for channel, want := range map[string]uint64{"a": 1, "b": 1, "c": 1, "d": 2} {
		if h, err := n.hub.History(t.Context(), channel, hub.Query{Limit: 10}); err != nil || h.Top.Offset != want {
			t.Errorf("%s: %d publications, %v", channel, h.Top.Offset, err)
		}
	}
	if r := n.do(allKey, "POST", "/publish", `{"channel":"a","data":1}`, "Idempotency-Key: "+strings.Repeat("k", 250)); r.StatusCode != 413 {
		t.Errorf("a long key: %s", r.Status)
	}
}

func TestBoundsOfRequests(t *testing.T) {
	n := start(t, nil)
	list := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"an empty batch", "POST", "/batch", `{"publications":[]}`, 400},
		{"the largest batch", "POST", "/batch", `{"publications":[` + list(api.MaxBatch, `{"channel":"a","data":1}`) + `]}`, 200},
		{"a larger batch", "POST", "/batch", `{"publications":[` + list(api.MaxBatch+1, `{"channel":"a","data":1}`) + `]}`, 400},
		{"no channels", "POST", "/publish", `{"channels":[],"data":1}`, 400},
		{"too many channels", "POST", "/publish", `{"channels":[` + list(api.MaxChannels+1, `"a"`) + `],"data":1}`, 400},
		{"both", "POST", "/publish", `{"channel":"a","channels":["a"],"data":1}`, 400},
		{"no body", "POST", "/publish", ``, 415},
		{"half a body", "POST", "/publish", `{"channel":"a"`, 400},
		{"two bodies", "POST", "/publish", `{"channel":"a","data":1}{}`, 400},
		{"a list", "POST", "/publish", `[]`, 400},
		{"a wrong type", "POST", "/publish", `{"channel":7}`, 400},
		{"too long a payload", "POST", "/publish", `{"channel":"a","data":"` + strings.Repeat("x", hub.DefaultMaxPayload+1) + `"}`, 413},
		{"a large page", "GET", "/channels?limit=1001", "", 400},
		{"an empty page", "GET", "/channels?limit=0", "", 400},
		{"a limit that is none", "GET", "/channels?limit=-1", "", 400},
		{"a pattern that is none", "GET", "/channels?pattern=[", "", 400},
		{"an empty pattern", "GET", "/channels?pattern=", "", 400},
		{"a parameter twice", "GET", "/channels?limit=1&limit=2", "", 400},
		{"a broken query", "GET", "/channels?limit=%", "", 400},
		{"a cursor that is none", "GET", "/channels/a/history?after=x", "", 400},
		{"newest and after", "GET", "/channels/a/history?after=k3vq8w2m-1&newest=true", "", 400},
		{"newest, perhaps", "GET", "/channels/a/history?newest=1", "", 400},
		{"a channel that is none", "GET", "/channels/%00/history", "", 400},
		{"nobody", "POST", "/disconnect", `{}`, 400},
		{"somebody twice", "POST", "/disconnect", `{"user":"a","session":"b"}`, 400},
		{"a close code of the protocol", "POST", "/disconnect", `{"user":"a","code":1006}`, 400},
		{"a long reason", "POST", "/disconnect", `{"user":"a","reason":"` + strings.Repeat("x", 124) + `"}`, 400},
		{"a reason to subscribe", "POST", "/subscribe", `{"user":"a","channels":["a"],"reason":"x"}`, 400},
		{"into nothing", "POST", "/subscribe", `{"user":"a","channels":[]}`, 400},
		{"revoking two", "POST", "/revoke", `{"user":"a","token":"b"}`, 400},
		{"revoking a long one", "POST", "/revoke", `{"token":"` + strings.Repeat("x", 256) + `"}`, 400},
		{"revoking where there are no tokens", "POST", "/revoke", `{"token":"t"}`, 404},
		{"another path", "GET", "/nothing", "", 404},
		{"deeply nested", "POST", "/publish", `{"channel":"a","data":` + strings.Repeat("[", 100_000), 400},
	} {
		if r := n.do(allKey, c.method, c.path, c.body); r.StatusCode != c.status {
			t.Errorf("%s: %s", c.name, r.Status)
		}
	}
}

func TestChannelsAreListedPageByPage(t *testing.T) {
	n := start(t, nil)
	n.open("", "chat:3", "chat:1", "news", "chat:2")
	n.open("", "chat:2")
	var names []string
	after := ""
	for {
		var page struct {
			Channels []struct {
				Channel     string
				Subscribers int
			}
			Total int
			Next  string
		}
		n.ask(200, &page, "GET", "/channels?pattern=chat:*&limit=2&after="+after, "")
		for _, c := range page.Channels {
			names = append(names, fmt.Sprint(c.Channel, "=", c.Subscribers))
		}
		if page.Total != 3 {
			t.Errorf("%+v", page)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if want := []string{"chat:1=1", "chat:2=2", "chat:3=1"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

func TestHistoryIsReadOnFromACursor(t *testing.T) {
	n := start(t, nil)
	for range 5 {
		n.do(allKey, "POST", "/publish", `{"channel":"a","data":1}`)
	}
	type page struct {
		Messages  []struct{ Offset uint64 }
		Cursor    string
		More      bool
		Recovered *bool
	}
	var first, second, third, newest, foreign page
	n.ask(200, &first, "GET", "/channels/a/history?limit=2", "")
	n.ask(200, &second, "GET", "/channels/a/history?limit=3&after="+first.Cursor, "")
	n.ask(200, &third, "GET", "/channels/a/history?after=unknown0-7."+second.Cursor, "")
	n.ask(200, &newest, "GET", "/channels/a/history?newest=true&limit=2", "")
	n.ask(200, &foreign, "GET", "/channels/a/history?after=unknown0-1", "")
	if len(first.Messages) != 2 || first.Messages[0].Offset != 1 || !first.More || first.Recovered != nil {
		t.Errorf("first: %+v", first)
	}
	if len(second.Messages) != 3 || second.Messages[0].Offset != 3 || second.More || !*second.Recovered {
		t.Errorf("second: %+v", second)
	}
	if len(third.Messages) != 0 || third.Cursor != second.Cursor || !*third.Recovered {
		t.Errorf("third: %+v", third)
	}
	if len(newest.Messages) != 2 || newest.Messages[0].Offset != 4 || newest.More {
		t.Errorf("newest: %+v", newest)
	}
	if len(foreign.Messages) != 5 || *foreign.Recovered {
		t.Errorf("with a foreign cursor: %+v", foreign)
	}
}

func TestSessionsAreTakenInAndOutAndEnded(t *testing.T) {
	n := start(t, nil)
	one, two, other := n.open("ann"), n.open("ann", "news"), n.open("bob")
	var done struct{ Sessions, Changed int }
	n.ask(200, &done, "POST", "/subscribe", `{"user":"ann","channels":["news","chat:1"]}`)
	if done.Sessions != 2 || done.Changed != 3 || !one.session.Subscribed("news") || !two.session.Subscribed("chat:1") || other.session.Subscribed("news") {
		t.Errorf("%+v", done)
	}
	if first := one.notices[0]; first.Type != hub.Subscribed || !first.Forced {
		t.Errorf("%+v", first)
	}
	n.ask(200, &done, "POST", "/unsubscribe", `{"session":"`+one.session.ID()+`","channels":["news","nothing"],"reason":"closed"}`)
	if last := one.notices[len(one.notices)-1]; done.Changed != 1 || one.session.Subscribed("news") || last.Type != hub.Unsubscribed || last.Reason != "closed" {
		t.Errorf("%+v, %+v", done, last)
	}
	n.ask(200, &done, "POST", "/disconnect", `{"user":"ann","code":4007,"reason":"closed","reconnect":true}`)
	dismissal, ok := errors.AsType[*hub.Dismissal](two.ended)
	if done.Sessions != 2 || !ok || *dismissal != (hub.Dismissal{Close: 4007, Reason: "closed", Reconnect: true}) || one.ended == nil || other.ended != nil {
		t.Errorf("%+v, %v, %v, %v", done, one.ended, two.ended, other.ended)
	}
}

func TestWhoCannotBeTakenIntoAChannelIsNamed(t *testing.T) {
	n := start(t, nil)
	s := n.join(&client{fixed: true}, "ann", "news")
	var done struct {
		Sessions, Changed int
		Errors            []struct {
			Session, Channel string
			Error            struct{ Code string }
		}
	}
	n.ask(200, &done, "POST", "/subscribe", `{"user":"ann","channels":["offers"]}`)
	if done.Sessions != 1 || done.Changed != 0 || len(done.Errors) != 1 || done.Errors[0].Session != s.session.ID() ||
		done.Errors[0].Channel != "offers" || done.Errors[0].Error.Code != "not_allowed" {
		t.Errorf("%+v", done)
	}
}

func TestOnlyKeysWithTheRightAndTheChannelDoWhatIsAsked(t *testing.T) {
	n := start(t, nil)
	s := n.open("ann", "chat:1", "secret")
	for _, c := range []struct {
		key, method, path, body string
		status                  int
	}{
		{publishKey, "POST", "/publish", `{"channel":"secret","data":1}`, 201},
		{publishKey, "GET", "/channels", "", 403},
		{publishKey, "POST", "/disconnect", `{"user":"ann"}`, 403},
		{boundKey, "POST", "/publish", `{"channel":"chat:1","data":1}`, 201},
		{boundKey, "POST", "/publish", `{"channel":"secret","data":1}`, 403},
		{boundKey, "GET", "/channels/news/history", "", 200},
		{boundKey, "GET", "/channels/secret/history", "", 403},
		{boundKey, "GET", "/channels/secret/presence", "", 403},
		{boundKey, "POST", "/subscribe", `{"user":"ann","channels":["chat:2"]}`, 200},
		{boundKey, "POST", "/subscribe", `{"user":"ann","channels":["chat:2","secret"]}`, 403},
		{boundKey, "POST", "/unsubscribe", `{"user":"ann","channels":["secret"]}`, 403},
		{boundKey, "GET", "/sessions/" + s.session.ID(), "", 403},
		{boundKey, "GET", "/users/ann/sessions", "", 403},
		{boundKey, "POST", "/disconnect", `{"user":"ann"}`, 403},
		{boundKey, "POST", "/revoke", `{"user":"ann"}`, 403},
		{boundKey, "GET", "/node", "", 403},
	} {
		if r := n.do(c.key, c.method, c.path, c.body); r.StatusCode != c.status {
			t.Errorf("%s %s %s with %.5s: %s", c.method, c.path, c.body, c.key, r.Status)
		}
	}
	var page struct{ Total int }
	var all results
	response := httptest.NewRecorder()
	r := httptest.NewRequest("GET", api.Prefix+"/channels", nil)
	r.Header.Set("Authorization", "bearer  "+boundKey)
	n.handler.ServeHTTP(response, r)
	if !strings.Contains(response.Body.String(), `"total":2`) || strings.Contains(response.Body.String(), "secret") {
		t.Errorf("a bound key sees %s", response.Body)
	}
	n.ask(200, &page, "GET", "/channels", "")
	n.ask(200, &all, "POST", "/publish", `{"channels":["chat:1","secret"],"data":1}`)
	if page.Total != 3 || all.Published != 2 || s.ended != nil {
		t.Errorf("%+v, %+v, %v", page, all, s.ended)
	}
}

func TestNobodyIsLetInByAccident(t *testing.T) {
	dev := func(o *api.Options) { o.Open, o.Keys = true, nil }
	listed := func(o *api.Options) { o.Origins = []string{"https://admin.example"} }
	bearer := "Authorization: Bearer " + allKey
	for _, c := range []struct {
		name   string
		change func(*api.Options)
		fields []string
		status int
	}{
		{"a key", nil, []string{bearer}, 200},
		{"no keys at all", func(o *api.Options) { o.Keys = nil }, []string{bearer}, 401},
		{"an empty key", nil, []string{"Authorization: Bearer "}, 401},
		{"another scheme", nil, []string{"Authorization: Basic " + allKey}, 401},
		{"a part of a key", nil, []string{"Authorization: Bearer " + allKey[:10]}, 401},
		{"a very long key", nil, []string{"Authorization: Bearer " + strings.Repeat("x", 5000)}, 401},
		{"open, from here", dev, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000"}, 200},
		{"open, from here over IPv6", dev, []string{"Remote: [::1]:4711", "Host: [::1]:8000"}, 200},
		{"open, from elsewhere", dev, []string{"Remote: 192.0.2.7:4711", "Host: localhost:8000"}, 401},
		{"open, over a Unix socket", dev, []string{"Remote: @", "Host: localhost:8000"}, 401},
		{"open, through a proxy", dev, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000", "X-Forwarded-For: 192.0.2.7"}, 401},
		{"open, under another name", dev, []string{"Remote: 127.0.0.1:4711", "Host: evil.example:8000"}, 401},
		{"open, but with a wrong key", dev, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000", bearer}, 401},
		{"not open, from here", nil, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000"}, 401},
		{"a page", nil, []string{bearer, "Origin: https://evil.example"}, 403},
		{"a page without an origin", nil, []string{bearer, "Origin: null"}, 403},
		{"a page that is open to here", dev, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000", "Origin: http://localhost:8000"}, 403},
		{"an image of a page", dev, []string{"Remote: 127.0.0.1:4711", "Host: localhost:8000", "Sec-Fetch-Site: cross-site"}, 403},
		{"a listed page", listed, []string{bearer, "Origin: https://admin.example", "Sec-Fetch-Site: cross-site"}, 200},
		{"a listed page without a key", listed, []string{"Origin: https://admin.example"}, 401},
		{"the address bar", nil, []string{bearer, "Sec-Fetch-Site: none"}, 200},
	} {
		n := start(t, c.change)
		r := n.do("", "GET", "/channels", "", c.fields...)
		if r.StatusCode != c.status {
			t.Errorf("%s: %s", c.name, r.Status)
		}
		if cors := r.Header.Get("Access-Control-Allow-Origin"); (cors != "") != strings.HasPrefix(c.name, "a listed page") {
			t.Errorf("%s: Access-Control-Allow-Origin is %q", c.name, cors)
		}
	}
	n := start(t, listed)
	r := n.do("", "OPTIONS", "/publish", "", "Origin: https://admin.example", "Access-Control-Request-Method: POST")
	if r.StatusCode != http.StatusNoContent || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
}

func TestWeakKeysAreRefusedWithoutTheirSecret(t *testing.T) {
	good := api.Key{Name: "good", Secret: allKey, Rights: []api.Right{api.Read}}
	for _, c := range []struct {
		name   string
		change func(*api.Key)
		want   string
	}{
		{"none", func(k *api.Key) { k.Secret = "" }, "0 bytes"},
		{"short", func(k *api.Key) { k.Secret = "hunter2" }, "openssl rand"},
		{"long", func(k *api.Key) { k.Secret = strings.Repeat("s", 600) }, "600 bytes"},
		{"with a space", func(k *api.Key) { k.Secret = "s3cr3t s3cr3t s3cr3t s3cr3t" }, "letters and digits"},
		{"no rights", func(k *api.Key) { k.Rights = nil }, "no rights"},
		{"a wrong right", func(k *api.Key) { k.Rights = []api.Right{"admin"} }, `no right "admin"`},
		{"a broken pattern", func(k *api.Key) { k.Channels = []string{"["} }, "pattern"},
		{"an empty pattern", func(k *api.Key) { k.Channels = []string{""} }, "pattern"},
	} {
		key := good
		c.change(&key)
		if _, err := api.NewKeys([]api.Key{key}); err == nil || !strings.Contains(err.Error(), c.want) || key.Secret != "" && strings.Contains(err.Error(), key.Secret) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := api.NewKeys([]api.Key{good, good}); err == nil || strings.Contains(err.Error(), good.Secret) {
		t.Errorf("the same twice: %v", err)
	}
}

func TestKeysAreReplacedWhileTheHandlerWorks(t *testing.T) {
	keys, err := api.NewKeys([]api.Key{{Secret: allKey, Rights: []api.Right{api.Read}}})
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, func(o *api.Options) { o.Keys = keys })
	if err := keys.Replace([]api.Key{{Secret: "short"}}); err == nil || n.do(allKey, "GET", "/channels", "").StatusCode != 200 {
		t.Errorf("a refused replacement has changed something; %v", err)
	}
	if err := keys.Replace([]api.Key{{Secret: boundKey, Rights: []api.Right{api.Read}}}); err != nil {
		t.Fatal(err)
	}
	if old, fresh := n.do(allKey, "GET", "/channels", "").StatusCode, n.do(boundKey, "GET", "/channels", "").StatusCode; old != 401 || fresh != 200 {
		t.Errorf("the old key: %d, the new one: %d", old, fresh)
	}
}

func TestRevokeIsHandedOnWithItsError(t *testing.T) {
	var got []api.Revocation
	fails := error(nil)
	n := start(t, func(o *api.Options) {
		o.Revoke = func(_ context.Context, r api.Revocation) ([]string, error) { got = append(got, r); return nil, fails }
	})
	var answer any
	n.ask(200, &answer, "POST", "/revoke", `{"login":"l1","until":"2030-01-02T15:04:05Z"}`)
	fails = errors.New("too many are held")
	n.ask(400, &answer, "POST", "/revoke", `{"token":"t1"}`)
	if want := (api.Revocation{Session: "l1", Until: time.Date(2030, 1, 2, 15, 4, 5, 0, time.UTC)}); got[0] != want || got[1].Token != "t1" {
		t.Errorf("%+v", got)
	}
	if detail := answer.(map[string]any)["detail"]; !strings.Contains(detail.(string), "too many are held") {
		t.Errorf("%v", detail)
	}
}

func TestEveryAnswerIsObserved(t *testing.T) {
	var seen []string
	n := start(t, func(o *api.Options) {
		o.Observe = func(operation string, status int, _ time.Duration) {
			seen = append(seen, fmt.Sprint(operation, " ", status))
		}
	})
	n.do(allKey, "POST", "/publish", `{"channel":"a","data":1}`)
	n.do("", "GET", "/node", "")
	n.do(allKey, "GET", "/openapi.json", "")
	n.do(allKey, "PUT", "/node", "")
	n.do(allKey, "GET", "/nothing", "")
	if want := []string{"publish 201", "getNode 401", "getDocument 200", " 405", " 404"}; !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}
