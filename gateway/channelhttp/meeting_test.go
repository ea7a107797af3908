// Every transport meets every other.

package channelhttp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func TestEveryTransportHearsWhatAnyTransportSays(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	readers := map[string]reader{
		"raw WebSocket":            rawReader{n.join("lobby")},
		"event stream":             n.listen(path("lobby")).begin(t),
		"event stream, by query":   n.listen(path("lobby")+"transport=sse", "Accept: */*").begin(t),
		"event stream of JSON":     n.listen(path("lobby") + "format=json").begin(t),
		"event stream of several":  n.listen(path("lobby") + "channel=elsewhere").begin(t),
		"event stream over HTTP/2": n.listen2(path("lobby")).begin(t),
		"long poll":                &pollReader{node: n, path: path("lobby"), wait: "30s", after: n.poll(path("lobby")).Cursor},
		"short poll":               &pollReader{node: n, path: path("lobby"), after: n.poll(path("lobby")).Cursor},
		"poll of several":          &pollReader{node: n, path: path("lobby") + "channel=elsewhere", wait: "30", after: n.poll(path("lobby") + "channel=elsewhere").Cursor},
	}
	raw, rawJSON := n.join("lobby"), n.joinPath("lobby", "?format=json")
	post := func(contentType, query string) func(string) {
		return func(payload string) { n.mustPost(path("lobby")+query, contentType, payload) }
	}
	for _, c := range []struct {
		proves  string
		say     func(payload string)
		payload string
		want    heard
	}{
		{"text from a WebSocket", func(p string) { send(t, raw, websocket.Text, p) }, "hello", heard{data: "hello"}},
		{"nothing from a WebSocket", func(p string) { send(t, raw, websocket.Text, p) }, "", heard{}},
		{"bytes from a WebSocket", func(p string) { send(t, raw, websocket.Binary, p) }, "\x00\xff\n\r", heard{data: "\x00\xff\n\r", binary: true}},
		{"no bytes from a WebSocket", func(p string) { send(t, raw, websocket.Binary, p) }, "", heard{binary: true}},
		{"JSON from a WebSocket", func(p string) { send(t, rawJSON, websocket.Text, p) }, `{"a":[1,null]}`, heard{data: `{"a":[1,null]}`}},
		{"what curl -d sends", post("application/x-www-form-urlencoded", ""), "a=b&c", heard{data: "a=b&c"}},
		{"no Content-Type", post("", ""), "hello <b>&\u2028", heard{data: "hello <b>&\u2028"}},
		{"text", post("text/plain; charset=UTF-8", ""), " naïve 漢字 🎉 ", heard{data: " naïve 漢字 🎉 "}},
		{"an empty body", post("text/plain", ""), "", heard{}},
		{"an event name and a key", post("text/plain", "event=price+change&key=AAPL"), "12", heard{data: "12", event: "price change"}},
		{"JSON", post("application/json", "event=j"), "{\"a\":\n\t\"b\"}", heard{data: "{\"a\":\n\t\"b\"}", event: "j"}},
		{"JSON of another name", post("application/vnd.api+json", ""), "-1.5e3", heard{data: "-1.5e3"}},
		{"bytes", post("application/octet-stream", ""), "\x80", heard{data: "\x80", binary: true}},
		{"bytes with an event name", post("image/png", "event=picture"), "\x89PNG\r\n", heard{data: "\x89PNG\r\n", binary: true, event: "picture"}},
		{"lines", post("text/plain", ""), "a\nb\n\nc\n", heard{data: "a\nb\n\nc\n"}},
		{"lines that look like fields", post("text/plain", ""), "data: x\nid: 7\n: comment\nevent", heard{data: "data: x\nid: 7\n: comment\nevent"}},
		{"the longest", post("text/plain", ""), strings.Repeat("é", 32<<10), heard{data: strings.Repeat("é", 32<<10)}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			c.say(c.payload)
			for name, r := range readers {
				want, got := c.want, r.hear(t)
				if _, ok := r.(rawReader); ok {
					want.event = ""
				} else if got.id == "" {
					t.Errorf("%s: no cursor", name)
				}
				got.id = ""
				if e, ok := r.(*eventReader); (ok && e.objects || name == "poll of several") && got.channel != "lobby" {
					t.Errorf("%s: the channel is %q", name, got.channel)
				}
				if got.channel = ""; got != want {
					t.Errorf("%s heard %+.80v, want %+.80v", name, got, want)
				}
			}
		})
	}
}

// An event stream knows lines only: how they end is lost, and documented to be.
func TestAllEndsOfLinesAreLineFeedsInAnEventStream(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	events, objects := n.listen(path("lobby")).begin(t), n.listen(path("lobby")+"format=json").begin(t)
	n.mustPost(path("lobby"), "text/plain", "a\rb\r\nc\n\rd\r")
	if got := events.hear(t).data; got != "a\nb\nc\n\nd\n" {
		t.Errorf("heard %q", got)
	}
	if got := objects.hear(t).data; got != "a\rb\r\nc\n\rd\r" {
		t.Errorf("heard %q", got)
	}
}

func TestAReceiptSaysWhereAPublicationWent(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	n.join("lobby")
	n.listen(path("lobby")).begin(t)
	var receipts [3]struct {
		Channel, Cursor, Time        string
		Offset, Subscribers, Lagging int
		Duplicate                    bool
	}
	for i, c := range []struct {
		key    string
		status int
	}{{"a key", 201}, {"a key", 200}, {"another", 201}} {
		response, body := n.do("POST", path("lobby"), map[string]string{"Idempotency-Key": c.key}, "hello")
		if err := json.Unmarshal([]byte(body), &receipts[i]); err != nil || response.StatusCode != c.status || !strings.HasSuffix(body, "}\n") {
			t.Fatalf("%s: %s", response.Status, body)
		}
	}
	first, second, third := receipts[0], receipts[1], receipts[2]
	if first.Channel != "lobby" || first.Offset != 1 || first.Subscribers != 2 || first.Lagging != 0 || first.Duplicate || first.Time == "" {
		t.Errorf("the first: %+v", first)
	}
	if !second.Duplicate || second.Cursor != first.Cursor || second.Offset != 1 || second.Time != first.Time {
		t.Errorf("the second: %+v", second)
	}
	if third.Offset != 2 || third.Cursor == first.Cursor {
		t.Errorf("the third: %+v", third)
	}
	if got := n.poll(path("lobby")); len(got.Messages) != 2 || got.Cursor != third.Cursor {
		t.Errorf("kept are %s", got.Messages)
	}
}

func TestWhoPublishedIsTold(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{Identify: func(r *http.Request) (hub.Identity, error) {
		if user := r.URL.Query().Get("user"); user != "mallory" {
			return hub.Identity{User: user}, nil
		}
		return hub.Identity{}, hub.Errorf(hub.NotAllowed, "not you")
	}})
	n.mustPost(path("lobby")+"user=ann", "", "hello")
	var o object
	if json.Unmarshal(n.poll(path("lobby")).Messages[0], &o); o.User != "ann" {
		t.Errorf("the user is %q", o.User)
	}
	for _, method := range []string{"GET", "POST", "HEAD"} {
		if response, _ := n.do(method, path("lobby")+"user=mallory", nil, ""); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", method, response.Status)
		}
	}
}

func TestHeadersOfAnswersKeepProxiesHonest(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	events := n.listen(path("lobby"))
	if retry := events.begin(t).retry; retry != "" {
		t.Error("begin skips the hint") // which is checked below
	}
	short, _ := n.do("GET", path("lobby"), nil, "")
	receipt, _ := n.do("POST", path("lobby"), nil, "x")
	refusal, _ := n.do("PUT", path("lobby"), nil, "x")
	head, nothing := n.do("HEAD", path("lobby")+"wait=60s", nil, "")
	headOfEvents, _ := n.do("HEAD", path("lobby")+"transport=sse", nil, "")
	if nothing != "" {
		t.Errorf("HEAD is answered with %q", nothing)
	}
	for _, c := range []struct {
		proves      string
		response    *http.Response
		contentType string
		cache       string
	}{
		{"event stream", events.response, "text/event-stream", "no-store, no-transform"},
		{"poll", short, "application/json", "no-store"},
		{"receipt", receipt, "application/json", "no-store"},
		{"refusal", refusal, "application/problem+json", "no-store"},
		{"HEAD", head, "application/json", "no-store"},
		{"HEAD of an event stream", headOfEvents, "text/event-stream", "no-store, no-transform"},
	} {
		header := c.response.Header
		if header.Get("Content-Type") != c.contentType || header.Get("Cache-Control") != c.cache ||
			header.Get("Vary") != "Accept, Origin" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", c.proves, header)
		}
	}
	if got := events.response.Header.Get("X-Accel-Buffering"); got != "no" {
		t.Errorf("X-Accel-Buffering is %q", got)
	}
	if allow := refusal.Header.Get("Allow"); allow != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("allowed is %q", allow)
	}
}
