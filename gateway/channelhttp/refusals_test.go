// Bad input: what each refusal looks like over HTTP.

package channelhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

// failing is a broker that cannot do it now.
type failing struct{ *memory.Broker }

var errDown = errors.New("the secret address of the broker does not answer")

func (failing) Publish(context.Context, *hub.Publication, hub.Storing) (hub.Published, error) {
	return hub.Published{}, errDown
}
func (failing) Subscribe(context.Context, string, hub.Retention) (hub.Position, error) {
	return hub.Position{}, errDown
}
func (failing) History(context.Context, string, hub.Query) (hub.History, error) {
	return hub.History{}, errDown
}

// elsewhere are the codes that no plain request can bring about: those of the native protocol, of presence and of open lines.
var elsewhere = []hub.Code{hub.UnknownType, hub.TooManyCommands, hub.NotFound, hub.NotSubscribed, hub.AlreadySubscribed, hub.NoHistory, hub.NoPresence,
	hub.UnknownMethod, hub.CallFailed, hub.SlowConsumer, hub.TokenRevoked, hub.RateLimited, hub.Disconnected}

func TestBadInputIsRefusedWithACodeAndASentence(t *testing.T) {
	rules := []hub.Rule{{Pattern: "closed", Subscribe: hub.Server}, {Pattern: "small", Publish: hub.Everyone, MaxPayload: 5}, open}
	identify := func(r *http.Request) (hub.Identity, error) {
		switch r.Header.Get("Authorization") {
		case "Bearer forged":
			return hub.Identity{}, hub.Errorf(hub.Unauthorized, "no key of ours has signed it")
		case "Bearer old":
			return hub.Identity{}, hub.Errorf(hub.TokenExpired, "the token expired yesterday")
		}
		if r.Header.Get("X-Broken") != "" {
			return hub.Identity{}, errors.New("secret")
		}
		return hub.Identity{}, nil
	}
	n := start(t, hub.Options{Rules: rules}, channelhttp.Options{Identify: identify})
	full := start(t, hub.Options{MaxSessions: 1}, channelhttp.Options{})
	full.join("lobby")
	down := start(t, hub.Options{Broker: failing{memory.New(memory.Options{})}}, channelhttp.Options{})
	over := start(t, hub.Options{}, channelhttp.Options{})
	if err := errors.Join(over.gateway.Shutdown(t.Context()), over.hub.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}

	many := "/channels?"
	for i := range 33 {
		many += "channel=c" + strings.Repeat("x", i+1) + "&"
	}
	sse := map[string]string{"Accept": "text/html;q=0, text/event-stream ; q=0.5"}
	as := func(contentType string) map[string]string { return map[string]string{"Content-Type": contentType} }
	met := map[hub.Code]bool{}
	for _, c := range []struct {
		proves, method, path string
		header               map[string]string
		body                 string
		code                 hub.Code
		status               int
		sentence             string
		node                 *node
	}{
		{"no channel", "GET", "/channels", nil, "", hub.BadChannel, 400, "/channels/lobby", n},
		{"control character", "GET", "/channels/a%0Ab", nil, "", hub.BadChannel, 400, "U+000A", n},
		{"the same in the query", "GET", "/channels?channel=a&channel=a%0Ab", sse, "", hub.BadChannel, 400, "U+000A", n},
		{"not UTF-8", "POST", "/channels/a%FF", nil, "x", hub.BadChannel, 400, "not valid UTF-8", n},
		{"too many channels", "GET", many, nil, "", hub.TooManySubscriptions, 400, "more than 32", n},
		{"query that cannot be read", "GET", "/channels/a?after=%zz", nil, "", hub.BadRequest, 400, "escape", n},
		{"parameter twice", "GET", "/channels/a?after=x&after=y", nil, "", hub.BadRequest, 400, "after comes 2 times", n},
		{"wait that is none", "GET", "/channels/a?wait=soon", nil, "", hub.BadRequest, 400, "write it as 30s", n},
		{"negative wait", "GET", "/channels/a?wait=-1s", nil, "", hub.BadRequest, 400, "write it as 30s", n},
		{"limit of nothing", "GET", "/channels/a?limit=0", nil, "", hub.BadRequest, 400, "from 1 to 1000", n},
		{"limit that is none", "GET", "/channels/a?limit=ten", nil, "", hub.BadRequest, 400, "from 1 to 1000", n},
		{"unknown format", "GET", "/channels/a?format=xml", nil, "", hub.BadRequest, 400, "raw or json", n},
		{"unknown transport", "GET", "/channels/a?transport=pigeon", nil, "", hub.BadRequest, 400, "sse or poll", n},
		{"publishing in several", "POST", "/channels?channel=a&channel=b", nil, "x", hub.BadRequest, 400, "one channel", n},
		{"event name twice", "POST", "/channels/a?event=x", map[string]string{"Ringdown-Event": "y"}, "x", hub.BadRequest, 400, "given as", n},
		{"event name that cannot be printed", "POST", "/channels/a?event=x%0Ay", nil, "x", hub.BadRequest, 400, "printable", n},
		{"event name too long", "POST", "/channels/a?event=" + strings.Repeat("x", 256), nil, "x", hub.TooLarge, 413, "at most 255", n},
		{"key too long", "POST", "/channels/a", map[string]string{"Ringdown-Key": strings.Repeat("x", 256)}, "x", hub.TooLarge, 413, "at most 255", n},
		{"idempotency key too long", "POST", "/channels/a", map[string]string{"Idempotency-Key": strings.Repeat("x", 256)}, "x", hub.TooLarge, 413, "at most 255", n},
		{"cursor that is none", "GET", "/channels/a?after=7", nil, "", hub.BadCursor, 400, "as the server gave it", n},
		{"forged cursor", "GET", "/channels/a?after=aaaaaaaa-99999999999999999999", nil, "", hub.BadCursor, 400, "2^63", n},
		{"cursor too long", "GET", "/channels/a?after=" + strings.Repeat("aaaaaaaa-1.", 800), nil, "", hub.BadCursor, 400, "at most 8192", n},
		{"Last-Event-ID that is none", "GET", "/channels/a", map[string]string{"Accept": "text/event-stream", "Last-Event-ID": "7"}, "", hub.BadCursor, 400, "no \"-\"", n},
		{"text that is not UTF-8", "POST", "/channels/a", nil, "\xff", hub.BadPayload, 400, "send it as binary", n},
		{"JSON that is none", "POST", "/channels/a", as("application/json"), "{a:1}", hub.BadPayload, 400, "not one JSON value", n},
		{"two JSON values", "POST", "/channels/a", as("application/json"), "1 2", hub.BadPayload, 400, "not one JSON value", n},
		{"JSON that is not UTF-8", "POST", "/channels/a", as("application/json"), "\"\xff\"", hub.BadPayload, 400, "in UTF-8", n},
		{"no JSON value", "POST", "/channels/a", as("application/json"), "", hub.BadPayload, 400, "not one JSON value", n},
		{"payload too long", "POST", "/channels/small", nil, "123456", hub.TooLarge, 413, "5 bytes", n},
		{"media type", "POST", "/channels/a", as("application/xml"), "<a/>", hub.UnsupportedMedia, 415, "application/json", n},
		{"form with files", "POST", "/channels/a", as("multipart/form-data; boundary=x"), "", hub.UnsupportedMedia, 415, "multipart/form-data", n},
		{"media type that is none", "POST", "/channels/a", as("text;;"), "x", hub.UnsupportedMedia, 415, "cannot be read", n},
		{"charset", "POST", "/channels/a", as("text/plain; charset=iso-8859-1"), "x", hub.UnsupportedMedia, 415, "UTF-8", n},
		{"compressed body", "POST", "/channels/a", map[string]string{"Content-Encoding": "gzip"}, "x", hub.UnsupportedMedia, 415, "as it is", n},
		{"method", "DELETE", "/channels/a", nil, "", hub.MethodNotAllowed, 405, "DELETE", n},
		{"reading where only the server may", "GET", "/channels/closed", nil, "", hub.NotAllowed, 403, "only the server", n},
		{"waiting there", "GET", "/channels/closed?wait=60s", nil, "", hub.NotAllowed, 403, "only the server", n},
		{"listening there", "GET", "/channels/closed", sse, "", hub.NotAllowed, 403, "only the server", n},
		{"listening there and elsewhere", "GET", "/channels/a?channel=closed", sse, "", hub.NotAllowed, 403, "only the server", n},
		{"publishing there", "POST", "/channels/closed", nil, "x", hub.NotAllowed, 403, "only the server", n},
		{"foreign page", "GET", "/channels/a", map[string]string{"Origin": "https://evil.example"}, "", hub.ForeignOrigin, 403, "--origin", n},
		{"something that should not happen", "GET", "/channels/a", map[string]string{"X-Broken": "1"}, "", hub.Internal, 500, "log", n},
		{"forged token", "GET", "/channels/a", map[string]string{"Authorization": "Bearer forged"}, "", hub.Unauthorized, 401, "no key", n},
		{"old token", "POST", "/channels/a", map[string]string{"Authorization": "Bearer old"}, "x", hub.TokenExpired, 401, "yesterday", n},
		{"publishing when all places are taken", "POST", "/channels/a", nil, "x", hub.Full, 503, "no room", full},
		{"polling when all places are taken", "GET", "/channels/a", nil, "", hub.Full, 503, "no room", full},
		{"listening when all places are taken", "GET", "/channels/a", sse, "", hub.Full, 503, "no room", full},
		{"publishing without a broker", "POST", "/channels/a", nil, "x", hub.Unavailable, 503, "try again", down},
		{"polling without a broker", "GET", "/channels/a", nil, "", hub.Unavailable, 503, "try again", down},
		{"listening without a broker", "GET", "/channels/a", sse, "", hub.Unavailable, 503, "try again", down},
		{"publishing at the end", "POST", "/channels/a", nil, "x", hub.ShuttingDown, 503, "a few seconds", over},
		{"listening at the end", "GET", "/channels/a", sse, "", hub.ShuttingDown, 503, "a few seconds", over},
	} {
		t.Run(c.proves, func(t *testing.T) {
			met[c.code] = true
			response, body := c.node.do(c.method, c.path, c.header, c.body)
			var problem struct {
				Type, Title, Code, Detail string
				Status                    int
			}
			if err := json.Unmarshal([]byte(body), &problem); err != nil || !strings.HasSuffix(body, "}\n") || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s, %v: %q", response.Status, response.Header, body)
			}
			if response.StatusCode != c.status || problem.Status != c.status || problem.Code != string(c.code) || !strings.Contains(problem.Detail, c.sentence) {
				t.Errorf("%s: %s want %d %s with %q", response.Status, body, c.status, c.code, c.sentence)
			}
			if problem.Type != "about:blank" || problem.Title != http.StatusText(c.status) || strings.Contains(body, "secret") {
				t.Errorf("the problem is %s", body)
			}
			if after := response.Header.Get("Retry-After"); (after != "") != (c.status == 503) {
				t.Errorf("Retry-After is %q", after)
			}
			if c.node != full && c.node.hub.Sessions() != 0 {
				t.Errorf("a refused request left %d sessions", c.node.hub.Sessions())
			}
		})
	}
	for _, r := range hub.Refusals() {
		if met[r.Code] == slices.Contains(elsewhere, r.Code) {
			t.Errorf("%s: tested here: %v", r.Code, met[r.Code])
		}
	}
}

func TestParametersBeyondTheirBoundsAreTakenForTheBound(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	n.publish("lobby", "x")
	for _, query := range []string{"limit=1001", "limit=2000000000", "wait=3600s&after=" + n.poll(path("lobby")).Cursor[:8] + "-0", "_=cachebuster&utm=x", "after="} {
		if a := n.poll(path("lobby") + query); len(a.Messages) != 1 && query != "after=" {
			t.Errorf("%s: %+v", query, a)
		}
	}
}
