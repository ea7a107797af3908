package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func TestMessagesArriveAsTheyWerePublished(t *testing.T) {
	n := startNode(t)
	c := dial(t, "http://"+n.address+"/connect?user=ann", client.Options{})
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	for i, p := range []client.Publication{
		{Kind: client.Text, Data: []byte("<é>\u2028\"\\\n")},
		{Kind: client.JSON, Data: []byte(`{"b": 1e400, "a":[null]}`), Event: "price", Key: "AAPL"},
		{Kind: client.Binary, Data: []byte{0, 0xff, '"'}},
		{Kind: client.Text, Data: []byte{}},
	} {
		p.Channel = "kept"
		r, err := c.Publish(within(t), p)
		if err != nil {
			t.Fatal(err)
		}
		if r.Offset != uint64(i+1) || r.Subscribers != 1 || r.Duplicate {
			t.Errorf("%+v", r)
		}
		m := next(t, s).(*client.Message)
		if m.Time.IsZero() {
			t.Error("no time")
		}
		want := &client.Message{Channel: "kept", Event: p.Event, Kind: p.Kind, Data: p.Data, Key: p.Key, Offset: r.Offset, Cursor: r.Cursor,
			Time: r.Time, User: "ann"}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWhatCannotBePublishedIsRefusedHereOrThere(t *testing.T) {
	c := dial(t, "ws://"+startNode(t).address, client.Options{})
	for _, p := range []client.Publication{
		{Channel: "kept", Kind: client.Text, Data: []byte{0xff}},
		{Channel: "kept", Kind: client.JSON, Data: []byte(`{"a":1}}`)},
		{Channel: "kept", Kind: 7},
	} {
		if _, err := c.Publish(within(t), p); err == nil {
			t.Errorf("%+v was published", p)
		}
	}
	_, err := c.Publish(within(t), client.Publication{Channel: "served"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "not_allowed" {
		t.Error(err)
	}
	_, err = c.Subscribe(within(t), "", client.SubscribeOptions{})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "bad_channel" {
		t.Error(err)
	}
	if _, err = c.Subscribe(within(t), "", client.SubscribeOptions{}); errors.Is(err, client.ErrClosed) {
		t.Error("the refused subscription is still there:", err)
	}
}

func TestAPublicationTooLargeForTheServerIsNotRepeatedForEver(t *testing.T) {
	c := dial(t, "ws://"+startNode(t).address, quick)
	_, err := c.Publish(within(t), client.Publication{Channel: "kept", Data: make([]byte, 300<<10)})
	if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Error(err)
	}
	if _, err := c.Publish(within(t), client.Publication{Channel: "kept", Data: []byte("small")}); err != nil {
		t.Error("it does not come back:", err)
	}
}

func TestHistoryPresenceCallPing(t *testing.T) {
	n := startNode(t)
	c := dial(t, "ws://"+n.address+"/connect?user=ann", client.Options{})
	for i := range 5 {
		n.publish("kept", fmt.Sprint(i))
	}
	h, err := c.History(within(t), "kept", "", 2)
	if err != nil || len(h.Messages) != 2 || h.Messages[1].Text() != "4" || h.More || h.Recovered {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err = c.History(within(t), "kept", h.Messages[0].Cursor, 0); err != nil || len(h.Messages) != 1 || !h.Recovered {
		t.Errorf("%+v, %v", h, err)
	}
	s := subscribe(t, c, "kept", client.SubscribeOptions{Presence: true, Cursor: h.Cursor})
	present, err := c.Presence(within(t), "kept", 10)
	if err != nil || len(present.Members) != 1 || present.Members[0].User != "ann" || present.Members[0].Session != c.Session() || present.Users != 1 {
		t.Errorf("%+v, %v", present, err)
	}
	bob := dial(t, "ws://"+n.address+"/connect?user=bob", client.Options{})
	subscribe(t, bob, "kept", client.SubscribeOptions{})
	if e, ok := next(t, s).(*client.PresenceChange); !ok || e.Joined == nil || e.Joined.User != "bob" || e.Users != 2 {
		t.Errorf("%+v", e)
	}
	kind, answer, err := c.Call(within(t), "echo", "", client.JSON, []byte(`[1,2]`))
	if err != nil || kind != client.JSON || string(answer) != "[1,2]" {
		t.Error(kind, string(answer), err)
	}
	if _, _, err = c.Call(within(t), "fail", "", client.Text, nil); err == nil {
		t.Error("the call did not fail")
	}
	if _, err := c.Ping(within(t)); err != nil {
		t.Error(err)
	}
}

func TestNothingIsMissedOrRepeatedWhenConnectionsAreCut(t *testing.T) {
	n := startNode(t)
	p := startProxy(t, n.address)
	c := dial(t, p.url(), quick)
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	publisher := dial(t, p.url(), quick)
	const count = 300
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range count {
			if i%50 == 25 {
				p.swallow() // the publication arrives, its receipt does not
			}
			if i%50 == 26 || i%50 == 0 {
				p.cut()
			}
			if i%50 == 25 {
				time.AfterFunc(20*time.Millisecond, p.cut)
			}
			if _, err := publisher.Publish(within(t), client.Publication{Channel: "kept", Data: fmt.Append(nil, i)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range count {
		m := nextText(t, s, fmt.Sprint(i))
		if m.Offset != uint64(i+1) {
			t.Fatalf("offset %d at %d", m.Offset, i)
		}
	}
	publishing.Wait()
}

func TestARestartedServerIsToldAsUnrecovered(t *testing.T) {
	n := startNode(t)
	c := dial(t, "ws://"+n.address, quick)
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	n.publish("kept", "before")
	nextText(t, s, "before")
	n.restart()
	if g, ok := next(t, s).(*client.Gap); !ok || !g.Unrecovered {
		t.Errorf("%+v", g)
	}
	n.publish("kept", "after")
	if m := nextText(t, s, "after"); m.Cursor != s.Cursor() {
		t.Errorf("cursor %q, message's %q", s.Cursor(), m.Cursor)
	}
}

func TestWhatHistoryHasLostIsTold(t *testing.T) {
	n := startNode(t)
	p := startProxy(t, n.address)
	var states stateLog
	options := quick
	options.MinBackoff, options.Observe = 50*time.Millisecond, states.note
	c := dial(t, p.url(), options)
	s := subscribe(t, c, "short", client.SubscribeOptions{})
	n.publish("short", "1")
	last := nextText(t, s, "1")
	p.listener.Close()
	p.cut()
	states.wait(t, client.Waiting)
	for i := 2; i <= 9; i++ {
		n.publish("short", fmt.Sprint(i))
	}
	other := dial(t, "ws://"+n.address, options)
	s = subscribe(t, other, "short", client.SubscribeOptions{Cursor: last.Cursor})
	if g, ok := next(t, s).(*client.Gap); !ok || !g.Unrecovered || g.To != 9 {
		t.Errorf("%+v", g)
	}
	n.publish("short", "10")
	nextText(t, s, "10")
}

func TestACursorOutlivesTheProgram(t *testing.T) {
	n := startNode(t)
	c := dial(t, "ws://"+n.address, quick)
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	n.publish("kept", "1")
	n.publish("kept", "2")
	nextText(t, s, "1")
	cursor := s.Cursor()
	c.Close()
	nextText(t, s, "2") // it had come, and can still be taken
	if _, err := s.Next(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
	again := subscribe(t, dial(t, "ws://"+n.address, quick), "kept", client.SubscribeOptions{Cursor: cursor})
	nextText(t, again, "2")
}

func TestASlowTakerLosesNothingAndHoldsNobodyUp(t *testing.T) {
	n := startNode(t)
	options := quick
	options.Queue = 4
	c := dial(t, "ws://"+n.address, options)
	slow := subscribe(t, c, "kept", client.SubscribeOptions{})
	for i := range 200 {
		n.publish("kept", fmt.Sprint(i))
	}
	// The subscription cannot take them. What others ask for is answered all the same.
	if _, err := c.Publish(within(t), client.Publication{Channel: "live", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		nextText(t, slow, fmt.Sprint(i))
	}
}

func TestTheServersOwnHand(t *testing.T) {
	n := startNode(t)
	forced := make(chan *client.Subscription, 1)
	options := quick
	options.Forced = func(s *client.Subscription) { forced <- s }
	c := dial(t, "ws://"+n.address+"/connect?user=ann", options)
	session := n.hub.Session(c.Session())
	if err := session.Subscribe(t.Context(), "served", hub.SubscribeOptions{Forced: true}); err != nil {
		t.Fatal(err)
	}
	s := <-forced
	n.publish("served", "hello")
	nextText(t, s, "hello")
	session.Expel("served", "enough")
	_, err := s.Next(within(t))
	if e, ok := errors.AsType[*client.UnsubscribedError](err); !ok || e.Reason != "enough" {
		t.Error(err)
	}
	session.End(hub.Errorf(hub.NotAllowed, "go away"))
	until(t, "the client is closed", func() bool { return c.State() == client.Closed })
	if e, ok := errors.AsType[*client.DisconnectError](c.Err()); !ok || e.Code != "not_allowed" || e.Reconnect {
		t.Error(c.Err())
	}
	if _, err := c.Publish(within(t), client.Publication{Channel: "kept"}); err == nil {
		t.Error("a closed client publishes")
	}
}

func TestACallIsNotAskedTwice(t *testing.T) {
	n := startNode(t)
	p := startProxy(t, n.address)
	c := dial(t, p.url(), quick)
	go func() {
		<-n.hanging
		p.cut()
	}()
	if _, _, err := c.Call(within(t), "hang", "", client.Text, nil); !errors.Is(err, client.ErrLost) {
		t.Error(err)
	}
}

func TestContextsEndWhatWaits(t *testing.T) {
	n := startNode(t)
	c := dial(t, "ws://"+n.address, quick)
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, _, err := c.Call(ctx, "hang", "", client.Text, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, err := range s.Events(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestRefusalsEndADialAndAreWaitedOutLater(t *testing.T) {
	n := startNode(t)
	_, err := client.Dial(within(t), "ws://"+n.address, client.Options{Dial: websocket.DialOptions{Header: http.Header{"Authorization": {"expired"}}}})
	if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != http.StatusForbidden {
		t.Error(err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"not found":  http.NotFound,
		"no upgrade": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page") },
		"another protocol": websocket.Handler(func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.Text, []byte("hello"))
			c.Read(context.Background())
		}, nil).ServeHTTP,
	} {
		if _, err := client.Dial(within(t), serveFunc(t, answer), quick); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// One that has been open waits a refusal out, and fetches a new token for it.
	var states stateLog
	var attempts atomic.Int64
	options := quick
	options.Observe = states.note
	options.Prepare = func(_ context.Context, dial *websocket.DialOptions) error {
		switch attempts.Add(1) {
		case 2:
			return errors.New("no token now")
		case 3:
			dial.Header.Set("Authorization", "expired")
		}
		return nil
	}
	c := dial(t, "ws://"+n.address, options)
	n.hub.Session(c.Session()).End(errors.New("a cause"))
	until(t, "it is back", func() bool { return attempts.Load() >= 4 && c.State() == client.Open })
	want := []client.State{client.Open, client.Waiting, client.Connecting, client.Waiting, client.Connecting, client.Waiting, client.Connecting, client.Open}
	if diff := cmp.Diff(want, states.all()); diff != "" {
		t.Error(diff)
	}
}

func TestTheServersWordOnWhenToComeBackIsKept(t *testing.T) {
	var states stateLog
	options := quick
	options.Observe = states.note
	busy := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "busy", http.StatusServiceUnavailable)
	})
	c := client.New(busy, options)
	defer c.Close()
	states.wait(t, client.Waiting)
	if wait := states.last().Wait; wait < 7*time.Second || wait > 8*time.Second {
		t.Errorf("it waits %v", wait)
	}
}

func TestDialTellsWhyNothingAnswered(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n := startProxy(t, "127.0.0.1:1")
	n.listener.Close()
	_, err := client.Dial(ctx, n.url(), quick)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok {
		t.Error("it does not tell of the last attempt:", err)
	}
}
