package hub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

func TestRulesSayWhoMay(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{
		{Pattern: "open:*", Publish: hub.Everyone},
		{Pattern: "users:*", Subscribe: hub.Users, Publish: hub.Users},
		{Pattern: "server:*", Subscribe: hub.Server, Publish: hub.Server},
	}})
	anonymous, ann := newClient(), newClient()
	anonymous.login(t, h, hub.Identity{})
	ann.login(t, h, hub.Identity{User: "ann"})
	for _, c := range []struct {
		channel                       string
		subscribe, publish            bool // an anonymous client may
		userSubscribes, userPublishes bool
	}{
		{"open:1", true, true, true, true},
		{"users:1", false, false, true, true},
		{"server:1", false, false, false, false},
		{"no rule", true, false, true, false},
	} {
		for _, who := range []struct {
			name               string
			client             *client
			subscribe, publish bool
		}{{"anonymous", anonymous, c.subscribe, c.publish}, {"ann", ann, c.userSubscribes, c.userPublishes}} {
			what := who.name + " in " + c.channel
			allowed(t, what+" subscribes", who.client.Subscribe(t.Context(), c.channel, hub.SubscribeOptions{}), who.subscribe)
			p := &hub.Publication{Channel: c.channel}
			_, err := who.client.Publish(t.Context(), p, hub.PublishOptions{})
			allowed(t, what+" publishes", err, who.publish)
			if err == nil && (p.User != who.client.User() || p.Session != who.client.ID()) {
				t.Errorf("%s: published as %q of %q", what, p.Session, p.User)
			}
			if _, err := who.client.History(t.Context(), c.channel, hub.Query{Limit: 1}); who.subscribe {
				refused(t, what+" reads", err, hub.NoHistory)
			} else {
				refused(t, what+" reads", err, hub.NotAllowed)
			}
		}
		if _, err := h.Publish(t.Context(), &hub.Publication{Channel: c.channel}, hub.PublishOptions{}); err != nil {
			t.Errorf("the server in %s: %v", c.channel, err)
		}
	}
}

func allowed(t *testing.T, what string, err error, want bool) {
	t.Helper()
	if want && err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if !want {
		refused(t, what, err, hub.NotAllowed)
	}
}

func TestTheFirstRuleThatMatchesHolds(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{
		{Pattern: "chat:vip", MaxPayload: 1}, {Pattern: "chat:[a-f]*", MaxPayload: 2}, {Pattern: "chat:?", MaxPayload: 3}, {Pattern: "chat/*/x", MaxPayload: 4},
	}})
	for channel, want := range map[string]int{
		"chat:vip": 1, "chat:abc": 2, "chat:z": 3, "chat:zz": hub.DefaultMaxPayload, "chat/1/x": 4, "chat/1/2/x": 4, "chat:a/b": 2, "x/chat:vip": hub.DefaultMaxPayload,
	} {
		if got := h.Rule(channel).MaxPayload; got != want {
			t.Errorf("%s: %d, want %d", channel, got, want)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	started := memory.New(memory.Options{})
	t.Cleanup(func() { started.Close() })
	if _, err := hub.New(hub.Options{Broker: started}); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]hub.Options{
		"no broker":               {},
		"a broker of another hub": {Broker: started},
		"an empty pattern":        {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{}}},
		"a malformed pattern":     {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "[a"}}},
		"negative sessions":       {Broker: memory.New(memory.Options{}), MaxSessions: -1},
		"negative subscriptions":  {Broker: memory.New(memory.Options{}), MaxSubscriptions: -1},
		"a negative window":       {Broker: memory.New(memory.Options{}), IdempotencyWindow: -1},
		"a negative count":        {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: -1}}}},
		"a negative age":          {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Age: -1}}}},
		"a negative payload":      {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*", MaxPayload: -1}}},
		"a negative backlog":      {Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*", Backlog: -1}}},
	} {
		if h, err := hub.New(o); err == nil {
			t.Errorf("%s: taken", name)
			h.Shutdown(t.Context())
		}
	}
}

func TestWhatCannotBePublishedIsRefused(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "small", MaxPayload: 3}, {Pattern: "*", Publish: hub.Everyone}}})
	s := open(t, h)
	for _, c := range []struct {
		name string
		*hub.Publication
		key  string
		want hub.Code
	}{
		{"no channel", &hub.Publication{}, "", hub.BadChannel},
		{"a bad channel", &hub.Publication{Channel: "a\n"}, "", hub.BadChannel},
		{"a long payload", &hub.Publication{Channel: "small", Payload: []byte("1234")}, "", hub.TooLarge},
		{"text that is none", &hub.Publication{Channel: "lobby", Payload: []byte{255}}, "", hub.BadPayload},
		{"JSON that is none", &hub.Publication{Channel: "lobby", Kind: hub.JSON, Payload: []byte("{")}, "", hub.BadPayload},
		{"two JSON values", &hub.Publication{Channel: "lobby", Kind: hub.JSON, Payload: []byte("1 2")}, "", hub.BadPayload},
		{"no JSON at all", &hub.Publication{Channel: "lobby", Kind: hub.JSON}, "", hub.BadPayload},
		{"an unknown kind", &hub.Publication{Channel: "lobby", Kind: 3}, "", hub.BadRequest},
		{"text that is spread", &hub.Publication{Channel: "lobby", Form: hub.Spread, Payload: []byte("[]")}, "", hub.BadRequest},
		{"an object that is spread", &hub.Publication{Channel: "lobby", Kind: hub.JSON, Form: hub.Spread, Payload: []byte("{}")}, "", hub.BadPayload},
		{"bytes within bytes", &hub.Publication{Channel: "lobby", Kind: hub.Binary, Form: hub.Embedded}, "", hub.BadRequest},
		{"too many exceptions", &hub.Publication{Channel: "lobby", Except: make([]string, hub.MaxExcept+1)}, "", hub.TooLarge},
		{"an exception that is no name", &hub.Publication{Channel: "lobby", Except: []string{"a\n"}}, "", hub.BadChannel},
		{"a long event", &hub.Publication{Channel: "lobby", Event: strings.Repeat("x", hub.MaxEventName+1)}, "", hub.TooLarge},
		{"an event of two lines", &hub.Publication{Channel: "lobby", Event: "a\nb"}, "", hub.BadRequest},
		{"a long key", &hub.Publication{Channel: "lobby", Key: strings.Repeat("x", hub.MaxKey+1)}, "", hub.TooLarge},
		{"a key that is no text", &hub.Publication{Channel: "lobby", Key: "\xff"}, "", hub.BadRequest},
		{"a long idempotency key", &hub.Publication{Channel: "lobby"}, strings.Repeat("x", hub.MaxIdempotencyKey+1), hub.TooLarge},
		{"an idempotency key of two lines", &hub.Publication{Channel: "lobby"}, "a\rb", hub.BadRequest},
	} {
		_, err := h.Publish(t.Context(), c.Publication, hub.PublishOptions{IdempotencyKey: c.key})
		refused(t, c.name, err, c.want)
		if c.Channel != "small" {
			_, err = s.Publish(t.Context(), c.Publication, hub.PublishOptions{IdempotencyKey: c.key})
			refused(t, c.name+" by a client", err, c.want)
		}
	}
}

func TestTheFormAndTheExceptionsOfAPublicationAreKeptWithIt(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 10, Age: time.Hour}}}})
	c := open(t, h, "lobby")
	p := &hub.Publication{Channel: "lobby", Kind: hub.JSON, Payload: []byte(" [1,2]"), Form: hub.Spread | hub.Fleeting, Except: []string{"others", c.ID()}}
	if _, err := h.Publish(t.Context(), p, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	c.expect(t, " [1,2]") // the hub leaves exceptions to gateways
	kept, err := h.History(t.Context(), "lobby", hub.Query{Limit: 1})
	if err != nil || len(kept.Publications) != 1 || kept.Publications[0].Form != p.Form || len(kept.Publications[0].Except) != 2 {
		t.Errorf("%+v (%v)", kept, err)
	}
}

func TestTheSessionsOfAChannelAreListed(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby")
	open(t, h, "elsewhere")
	if in := h.SessionsIn("lobby"); len(in) != 1 || in[0] != c.Session {
		t.Errorf("%v", in)
	}
	if in := h.SessionsIn("empty"); len(in) != 0 {
		t.Errorf("%v", in)
	}
}

func TestIdempotencyKeysAreOfTheHub(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby")
	o := hub.PublishOptions{IdempotencyKey: "key"}
	first, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte("1")}, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte("2")}, o)
	if err != nil || !again.Duplicate || again.Position != first.Position || !again.Time.Equal(first.Time) {
		t.Errorf("%+v (%v), want a duplicate of %+v", again, err, first)
	}
	c.expect(t, "1")
}

func TestSubscriptionsAreLimited(t *testing.T) {
	h := start(t, hub.Options{MaxSubscriptions: 2})
	c := open(t, h, "a", "b")
	refused(t, "a third", c.Subscribe(t.Context(), "c", hub.SubscribeOptions{}), hub.TooManySubscriptions)
	refused(t, "twice", c.Subscribe(t.Context(), "a", hub.SubscribeOptions{}), hub.AlreadySubscribed)
	refused(t, "a bad name", c.Subscribe(t.Context(), " ", hub.SubscribeOptions{}), hub.BadChannel)
	refused(t, "presence that is not there", c.Subscribe(t.Context(), "c", hub.SubscribeOptions{Presence: true}), hub.NoPresence)
	c.Unsubscribe("a")
	c.subscribe(t, "c", hub.SubscribeOptions{})
	if hub.ChannelCount(h) != 2 {
		t.Errorf("%d channels are held for two subscriptions", hub.ChannelCount(h))
	}
}

func TestHistoryIsRead(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "kept", History: hub.Retention{Count: 3, Age: time.Hour}}}})
	say(t, h, "kept", numbers(1, 5)...)
	c := open(t, h)
	for name, read := range map[string]func(context.Context, string, hub.Query) (hub.History, error){"server": h.History, "client": c.History} {
		got, err := read(t.Context(), "kept", hub.Query{After: 1, Limit: 2})
		if err != nil || len(got.Publications) != 2 || got.Publications[0].Offset != 3 || got.Lost != 1 || got.Top.Offset != 5 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		_, err = read(t.Context(), "other", hub.Query{Limit: 1})
		refused(t, name+" reads what is not kept", err, hub.NoHistory)
		_, err = read(t.Context(), "", hub.Query{Limit: 1})
		refused(t, name+" reads no channel", err, hub.BadChannel)
	}
}

func TestCallsAreAnswered(t *testing.T) {
	refusal := hub.Errorf(hub.NotAllowed, "not you")
	h := start(t, hub.Options{Call: func(_ context.Context, s *hub.Session, call hub.Call) (hub.Kind, []byte, error) {
		switch call.Method {
		case "echo":
			return call.Kind, []byte(call.Channel + s.ID() + string(call.Payload)), nil
		case "refuse":
			return 0, nil, fmt.Errorf("checking: %w", refusal)
		}
		return 0, nil, errors.New("secret")
	}})
	c := open(t, h)
	kind, answer, err := c.Call(t.Context(), hub.Call{Method: "echo", Channel: "lobby", Kind: hub.Binary, Payload: []byte("hi")})
	if err != nil || kind != hub.Binary || string(answer) != "lobby"+c.ID()+"hi" {
		t.Errorf("%v %q %v", kind, answer, err)
	}
	_, _, err = c.Call(t.Context(), hub.Call{Method: "refuse"})
	refused(t, "a call that is refused", err, hub.NotAllowed)
	_, _, err = c.Call(t.Context(), hub.Call{Method: "break"})
	refused(t, "a call that fails", err, hub.CallFailed)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the client learns %q", err)
	}
	_, _, err = open(t, start(t, hub.Options{})).Call(t.Context(), hub.Call{Method: "echo"})
	refused(t, "a call that nobody answers", err, hub.UnknownMethod)
}

func TestEveryRefusalIsComplete(t *testing.T) {
	seen := make(map[hub.Code]bool)
	for _, r := range hub.Refusals() {
		if seen[r.Code] || r.Means == "" || r.Cure == "" || r.Status < 400 || http.StatusText(r.Status) == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Code] = true
		got, sentence := hub.RefusalOf(fmt.Errorf("doing it: %w", hub.Errorf(r.Code, "no")))
		if got != r || sentence != "no" {
			t.Errorf("%s: found %+v, %q", r.Code, got, sentence)
		}
	}
	if r, sentence := hub.RefusalOf(errors.New("secret")); r.Code != hub.Internal || strings.Contains(sentence, "secret") {
		t.Errorf("an error of ours is told as %s: %q", r.Code, sentence)
	}
	cause := errors.New("cause")
	if err := hub.Errorf(hub.Unavailable, "no: %w", cause); !errors.Is(err, cause) {
		t.Error("the cause is not found")
	}
}

// What was published has its place in history, and must not get another one.
func TestAPublicationIsPublishedOnce(t *testing.T) {
	h := ruled(t, history)
	p := &hub.Publication{Channel: "lobby", Payload: []byte("1")}
	first := post(t, h, p)
	_, err := h.Publish(t.Context(), p, hub.PublishOptions{})
	refused(t, "again", err, hub.BadRequest)
	if p.Position() != first.Position {
		t.Errorf("is at %v, was at %v", p.Position(), first.Position)
	}
}

func TestADuplicatesReceiptCountsNobodyAsLate(t *testing.T) {
	h := start(t, hub.Options{})
	open(t, h, "lobby").room = 0
	for _, lagging := range []int{1, 0} {
		receipt, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{IdempotencyKey: "k"})
		if err != nil || receipt.Lagging != lagging || receipt.Late != lagging {
			t.Errorf("%+v, %v; want %d lagging", receipt, err, lagging)
		}
	}
}

// One user's key must not swallow what another publishes.
func TestIdempotencyKeysAreOfTheUser(t *testing.T) {
	h := ruled(t, hub.Rule{Publish: hub.Everyone})
	publish := func(user string) hub.Receipt {
		c := newClient()
		c.login(t, h, hub.Identity{User: user})
		receipt, err := c.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{IdempotencyKey: "1"})
		if err != nil {
			t.Fatal(err)
		}
		return receipt
	}
	for _, user := range []string{"", "ann", "bob"} {
		if publish(user).Duplicate || !publish(user).Duplicate {
			t.Errorf("%q shares keys with others, or has none", user)
		}
	}
	for _, duplicate := range []bool{false, true} {
		receipt, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{IdempotencyKey: "1"})
		if err != nil || receipt.Duplicate != duplicate {
			t.Errorf("the server shares keys with clients, or has none: %+v, %v", receipt, err)
		}
	}
}
