package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func TestEveryRefusalHasItsCodeAndDisturbsNobody(t *testing.T) {
	n := startWith(t, native.Options{MaxCalls: 1}, hub.Options{MaxSubscriptions: 3})
	c := n.greeted("")
	for i := range 2 {
		c.say(fmt.Sprintf(`{"type":"subscribe","channel":"many%d"}`, i))
		c.expect("subscribed")
	}
	for _, r := range []struct {
		code    hub.Code
		command string
		says    string
	}{
		{hub.BadRequest, `{"type":"publish","channel":"updates","id":1}`, `no "data"`},
		{hub.BadRequest, `{"type":"call","id":1}`, `no "method"`},
		{hub.BadRequest, `{"type":"history","channel":"updates","limit":0,"id":1}`, `"limit" is 0`},
		{hub.BadRequest, `{"type":"publish","channel":"updates","data":1,"event":"a\u0000","id":1}`, "the event name"},
		{hub.BadRequest, `{"type":"publish","channel":"updates","data":1,"key":"\ufeff","id":1}`, "the key"},
		{hub.UnknownType, `{"type":"shout","id":1}`, "there are subscribe, unsubscribe, publish, presence, history, call, authenticate, ping"},
		{hub.UnknownType, `{"type":"Subscribe","channel":"updates","id":1}`, "Subscribe"},
		{hub.UnknownType, `{"type":"` + strings.Repeat("x", 10_000) + `","id":1}`, "xxx"},
		{hub.BadChannel, `{"type":"subscribe","id":1}`, "empty"},
		{hub.BadChannel, `{"type":"unsubscribe","channel":"\u0000","id":1}`, "printable"},
		{hub.BadChannel, `{"type":"publish","channel":"..","data":1,"id":1}`, "folder"},
		{hub.BadChannel, `{"type":"presence","channel":" a","id":1}`, "space"},
		{hub.BadChannel, `{"type":"history","channel":"` + strings.Repeat("x", 256) + `","id":1}`, "256 bytes"},
		{hub.BadChannel, `{"type":"call","method":"echo","channel":"\u200b","id":1}`, "printable"},
		{hub.BadPayload, `{"type":"publish","channel":"updates","data":"%","encoding":"base64","id":1}`, "base64"},
		{hub.BadPayload, `{"type":"call","method":"echo","data":7,"encoding":"base64","id":1}`, "base64"},
		{hub.BadCursor, `{"type":"subscribe","channel":"updates","cursor":"7","id":1}`, "as the server gave it"},
		{hub.BadCursor, `{"type":"history","channel":"updates","cursor":"k3vq8w2m-99999999999999999999","id":1}`, "2^63"},
		{hub.BadCursor, `{"type":"history","channel":"updates","cursor":"` + strings.Repeat("k3vq8w2m-1.", 1000) + `k3vq8w2m-1","id":1}`, "bytes"},
		{hub.TooLarge, `{"type":"publish","channel":"brief","data":"seventeen bytes !","id":1}`, "at most 16"},
		{hub.TooLarge, `{"type":"publish","channel":"updates","data":1,"event":"` + strings.Repeat("x", 256) + `","id":1}`, "event name"},
		{hub.TooLarge, `{"type":"publish","channel":"updates","data":1,"idempotency_key":"` + strings.Repeat("x", 256) + `","id":1}`, "idempotency key"},
		{hub.NotAllowed, `{"type":"publish","channel":"notices","data":1,"id":1}`, "only the server may"},
		{hub.NotAllowed, `{"type":"publish","channel":"anything/else","data":1,"id":1}`, "only the server may"},
		{hub.NotAllowed, `{"type":"subscribe","channel":"members","id":1}`, "authenticate first"},
		{hub.NotAllowed, `{"type":"history","channel":"members","id":1}`, "authenticate first"},
		{hub.NotSubscribed, `{"type":"unsubscribe","channel":"updates","id":1}`, "not subscribed"},
		{hub.NotSubscribed, `{"type":"presence","channel":"room","id":1}`, "subscribe first"},
		{hub.AlreadySubscribed, `{"type":"subscribe","channel":"many0","id":1}`, "already"},
		{hub.NoHistory, `{"type":"history","channel":"many0","id":1}`, "keeps no history"},
		{hub.NoPresence, `{"type":"presence","channel":"many0","id":1}`, "no presence"},
		{hub.NoPresence, `{"type":"subscribe","channel":"many9","presence":true,"id":1}`, "no presence"},
		{hub.UnknownMethod, `{"type":"call","method":"dance","id":1}`, "dance"},
		{hub.CallFailed, `{"type":"call","method":"refuse","id":1}`, "the room is full"},
		{hub.CallFailed, `{"type":"call","method":"break","id":1}`, `the call "break" failed`},
		{hub.Internal, `{"type":"call","method":"panic","id":1}`, `the call "panic" failed`},
		{hub.Internal, `{"type":"call","method":"lie","id":1}`, `the call "lie" failed`},
		{hub.TooManySubscriptions, `[{"type":"subscribe","channel":"many2"},{"type":"subscribe","channel":"many3","id":1}]`, "3 channels"},
		{hub.TooManyCommands, `[{"type":"call","method":"wait","id":2},{"type":"call","method":"echo","id":1}]`, "1 calls"},
	} {
		t.Run(r.command[:min(90, len(r.command))], func(t *testing.T) {
			c.t = t
			c.say(r.command)
			s := c.expect2("error", "subscribed")
			if s.Code != string(r.code) || !strings.Contains(s.Message, r.says) || string(s.ID) != "1" {
				t.Errorf("%s, want %s with %q", c.last, r.code, r.says)
			}
			if strings.Contains(s.Message, "secret") || len(s.Message) > 500 {
				t.Errorf("it tells too much: %s", s.Message)
			}
		})
	}
	c.t = t
	c.say(`{"type":"ping","id":"still here"}`)
	c.expect("pong")
}

// expect2 is expect, letting messages of another kind go by.
func (c *caller) expect2(kind, other string) said {
	c.t.Helper()
	for {
		var s said
		if err := json.Unmarshal(c.hear(), &s); err != nil {
			c.t.Fatal(err)
		}
		if s.Type != other {
			if s.Type != kind {
				c.t.Fatalf("heard %s, want %s", c.last, kind)
			}
			return s
		}
	}
}

func TestMalformedMessagesAreAnsweredAndAFloodOfThemIsCut(t *testing.T) {
	n := start(t, native.Options{})
	other := n.greeted("")
	c := n.greeted("")
	for i := range 64 {
		c.say(strings.Repeat("{", i))
		if s := c.expect("error"); s.Code != string(hub.BadRequest) || s.ID != nil {
			t.Fatalf("%s", c.last)
		}
	}
	c.say(`{"type":"ping"}`) // makes up for one
	c.expect("pong")
	c.say(`[]`)
	c.expect("error")
	c.say(`{"type":`)
	c.expect("error")
	if s := c.expect("disconnect"); s.Code != string(hub.BadRequest) || s.Reconnect {
		t.Errorf("%s", c.last)
	}
	if code := websocket.CloseStatus(c.ended()); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
	other.say(`{"type":"ping"}`)
	other.expect("pong")
}

func TestABinaryMessageIsRefusedInWords(t *testing.T) {
	c := start(t, native.Options{}).greeted("")
	if err := c.conn.Write(t.Context(), websocket.Binary, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	if s := c.expect("error"); s.Code != string(hub.BadRequest) || !strings.Contains(s.Message, "binary") {
		t.Errorf("%s", c.last)
	}
}

func TestWhatTheWebSocketRefuses(t *testing.T) {
	n := start(t, native.Options{})
	for _, c := range []struct {
		proves  string
		message []byte
		code    websocket.StatusCode
	}{
		{"text that is not UTF-8", []byte("{\"type\":\"\xff\"}"), websocket.StatusInvalidPayload},
		{"a message over the limit", []byte(`{"type":"` + strings.Repeat("x", native.DefaultMaxMessage) + `"}`), websocket.StatusMessageTooBig},
	} {
		t.Run(c.proves, func(t *testing.T) {
			bad := n.greeted("")
			bad.t = t
			bad.conn.Write(t.Context(), websocket.Text, c.message)
			if code := websocket.CloseStatus(bad.ended()); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
		})
	}
}

func TestThousandsOfSubscriptionsAreRefusedOneByOne(t *testing.T) {
	n := start(t, native.Options{})
	c := n.greeted("")
	agreed, refused := 0, 0
	for batch := range 30 {
		var all []string
		for i := range 100 {
			all = append(all, fmt.Sprintf(`{"type":"subscribe","channel":"many%d","id":%d}`, batch*100+i, i))
		}
		c.say("[" + strings.Join(all, ",") + "]")
		for range 100 {
			var s said
			if err := json.Unmarshal(c.hear(), &s); err != nil {
				t.Fatal(err)
			}
			switch {
			case s.Type == "subscribed":
				agreed++
			case s.Code == string(hub.TooManySubscriptions):
				refused++
			default:
				t.Fatalf("%s", c.last)
			}
		}
	}
	if agreed != hub.DefaultMaxSubscriptions || refused != 3000-agreed {
		t.Errorf("%d agreed, %d refused", agreed, refused)
	}
}

func TestAClientThatNeverReadsItsAnswersIsHeldBackAndCut(t *testing.T) {
	n := start(t, native.Options{OutboxBytes: 64 << 10, Accept: websocket.AcceptOptions{Limits: websocket.Limits{WriteTimeout: time.Second}}})
	before := runtime.NumGoroutine()
	c := n.greeted("")
	for range 100 {
		n.hub.Publish(t.Context(), &hub.Publication{Channel: "updates", Payload: make([]byte, 1000)}, hub.PublishOptions{})
	}
	batch := "[" + strings.Repeat(`{"type":"history","channel":"updates"},`, 99) + `{"type":"history","channel":"updates"}]`
	for { // until the server does not take any more, and then ends it
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := c.conn.Write(ctx, websocket.Text, []byte(batch))
		cancel()
		if err != nil {
			if ctx.Err() == context.DeadlineExceeded {
				t.Fatal("the server neither reads nor ends it")
			}
			break
		}
	}
	c.conn.CloseNow()
	waitUntil(t, "its goroutine and session are gone", func() bool {
		return n.hub.Sessions() == 0 && runtime.NumGoroutine() <= before+3
	})
}

func TestASubscriberThatNeverReadsIsCutAndTheOthersHearEverything(t *testing.T) {
	n := start(t, native.Options{OutboxBytes: 64 << 10})
	deaf := n.greeted("")
	deaf.say(`{"type":"subscribe","channel":"updates","id":1}`)
	deaf.expect("subscribed")
	good := n.greeted("")
	good.say(`{"type":"subscribe","channel":"updates","id":1}`)
	good.expect("subscribed")
	heard := 0
	for n.hub.Subscribers("updates") == 2 {
		good.say(`{"type":"publish","channel":"updates","data":"` + strings.Repeat("x", 50_000) + `"}`)
		if s := good.expect("message"); s.Offset != uint64(heard+1) {
			t.Fatalf("offset %d", s.Offset)
		}
		if heard++; heard > 5000 {
			t.Fatal("the one that does not read is not cut")
		}
	}
	if code := websocket.CloseStatus(deaf.ended()); code != websocket.StatusTryAgainLater {
		t.Errorf("closed with %d", code)
	}
}

func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

func TestRefusalsBeforeTheHandshake(t *testing.T) {
	full := startWith(t, native.Options{}, hub.Options{MaxSessions: 1})
	full.greeted("")
	closed := start(t, native.Options{})
	closed.gateway.Shutdown(t.Context())
	go closed.hub.Shutdown(t.Context())
	unknown := start(t, native.Options{Identify: func(*http.Request) (hub.Identity, error) {
		return hub.Identity{}, hub.Errorf(hub.NotAllowed, "the token has expired")
	}})
	broken := start(t, native.Options{Identify: func(*http.Request) (hub.Identity, error) { return hub.Identity{}, net.ErrClosed }})
	for _, c := range []struct {
		proves string
		node   *node
		header http.Header
		status int
		code   hub.Code
	}{
		{"full", full, nil, 503, hub.Full},
		{"unknown", unknown, nil, 403, hub.NotAllowed},
		{"an error that is no client's business", broken, nil, 500, hub.Internal},
		{"a page of another origin", start(t, native.Options{}), http.Header{"Origin": {"https://evil.example"}}, 403, ""},
	} {
		t.Run(c.proves, func(t *testing.T) {
			_, response, err := websocket.Dial(t.Context(), c.node.url, &websocket.DialOptions{Header: c.header})
			if err == nil || response == nil || response.StatusCode != c.status {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			if c.code == "" {
				if !strings.Contains(string(body), "https://evil.example") {
					t.Errorf("%s", body)
				}
				return
			}
			var problem struct {
				Status       int
				Code, Detail string
			}
			if err := json.Unmarshal(body, &problem); err != nil || problem.Status != c.status || problem.Code != string(c.code) || problem.Detail == "" {
				t.Errorf("%s, %v", body, err)
			}
			if strings.Contains(string(body), net.ErrClosed.Error()) {
				t.Errorf("it tells a secret: %s", body)
			}
			if (response.Header.Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After %q", response.Header.Get("Retry-After"))
			}
		})
	}
}
