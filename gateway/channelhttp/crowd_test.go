// Many clients at once, and the end of them all.

package channelhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func TestAThousandClientsOfAllKindsHearTheSame(t *testing.T) {
	const clients, publications = 1000, 10
	n := start(t, hub.Options{}, channelhttp.Options{})
	readers := make([]reader, clients)
	begin := n.poll(path("lobby")).Cursor
	for i := range readers {
		switch i % 5 {
		case 0, 1:
			conn, _, err := n.dial("lobby", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.CloseNow() })
			readers[i] = rawReader{conn}
		case 2:
			readers[i] = n.listen(path("lobby")).begin(t)
		case 3:
			readers[i] = n.listen(path("lobby") + "channel=b&channel=c").begin(t)
		case 4:
			readers[i] = &pollReader{node: n, path: path("lobby"), wait: "30s", after: begin}
		}
	}
	n.until(func() bool { return n.hub.Subscribers("lobby") >= clients*4/5 })
	var wait sync.WaitGroup
	for i, r := range readers {
		wait.Go(func() {
			for k := range publications {
				if got := r.hear(t).data; got != fmt.Sprint(k) {
					t.Errorf("client %d heard %.40q when %d was due", i, got, k)
					return
				}
			}
		})
	}
	for k := range publications {
		n.mustPost(path("lobby"), "", fmt.Sprint(k))
	}
	wait.Wait()
}

func TestShutdownAnswersPollsAndEndsEventStreams(t *testing.T) {
	for whose, shutdown := range map[string]func(n *node) error{
		"the gateway's": func(n *node) error { return n.gateway.Shutdown(t.Context()) },
		"the hub's":     func(n *node) error { return n.hub.Shutdown(t.Context()) },
	} {
		t.Run(whose, func(t *testing.T) {
			n := start(t, hub.Options{}, channelhttp.Options{})
			events, on := n.listen(path("lobby")).begin(t), n.listenUpstream(path("lobby")).begin(t)
			answers := make(chan answer, 1)
			go func() { answers <- n.poll(path("lobby") + "wait=60s") }()
			n.until(func() bool { return n.hub.Sessions() == 3 })
			n.publish("other", "x")
			if err := shutdown(n); err != nil {
				t.Error(err)
			}
			if a := <-answers; len(a.Messages) != 0 || a.Cursor == "" {
				t.Errorf("the poll was answered with %+v", a)
			}
			for _, e := range []*eventReader{events, on} {
				for err := error(nil); err == nil; {
					var last event
					if last, err = e.next(); err == nil && (last.name != "end" || !strings.Contains(last.data, `"code":"shutting_down"`)) {
						t.Errorf("heard %+v", last)
					}
				}
			}
			n.until(func() bool { return n.hub.Sessions() == 0 })
		})
	}
}

func TestASessionThatTheServerEndsIsToldWhy(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{Identify: func(*http.Request) (hub.Identity, error) { return hub.Identity{User: "ann"}, nil }})
	events := []*eventReader{n.listen(path("lobby")).begin(t), n.listenUpstream(path("lobby")).begin(t)}
	raw := n.join("lobby")
	for _, s := range n.hub.SessionsOf("ann") {
		s.End(hub.Errorf(hub.NotAllowed, "your token was revoked"))
	}
	for _, e := range events {
		last := e.must(t)
		if want := `{"code":"not_allowed","message":"your token was revoked"}`; last.name != "end" || last.data != want {
			t.Errorf("heard %+v", last)
		}
		if _, err := e.next(); err == nil {
			t.Error("the stream goes on")
		}
	}
	expectClose(t, raw, websocket.StatusPolicyViolation, "your token was revoked")
	n.until(func() bool { return n.hub.Sessions() == 0 })
}

func TestAListenerThatIsTakenOutOfAChannelIsTold(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{Identify: func(*http.Request) (hub.Identity, error) { return hub.Identity{User: "ann"}, nil }})
	events := n.listen("/channels?channel=a&channel=b").begin(t)
	session := n.hub.SessionsOf("ann")[0]
	if err := session.Expel("a", "enough"); err != nil {
		t.Fatal(err)
	}
	n.publish("b", "still here")
	var told struct{ Channel, Code, Message string }
	e := events.must(t)
	if json.Unmarshal([]byte(e.data), &told); e.name != "end" || told.Channel != "a" || told.Code != "not_allowed" || told.Message != "enough" {
		t.Errorf("heard %+v", e)
	}
	if got := events.hear(t); got.data != "still here" {
		t.Errorf("heard %+v", got)
	}
	if err := session.Expel("b", "enough"); err != nil {
		t.Fatal(err)
	}
	if e := events.must(t); e.name != "end" {
		t.Errorf("heard %+v", e)
	}
	if _, err := events.next(); err == nil {
		t.Error("the stream goes on")
	}
	n.until(func() bool { return n.hub.Sessions() == 0 })
	raw := n.join("a")
	if err := errors.Join(n.hub.SessionsOf("ann")[0].Expel("a", "enough")); err != nil {
		t.Fatal(err)
	}
	expectClose(t, raw, websocket.StatusPolicyViolation, "enough")
}

// remote is a broker beyond a network, as far as the gateway can tell.
type remote struct{ *memory.Broker }

func (remote) Remote() bool { return true }

// series is one that takes several publications at once, after a while, and counts how often.
type series struct {
	remote
	taken atomic.Int32
}

func (b *series) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) ([]hub.Published, error) {
	b.taken.Add(1)
	time.Sleep(10 * time.Millisecond)
	return hub.PublishSeries(ctx, b.remote, all, s)
}

func TestWhatASenderSaidTogetherBeforeItLeftIsPublishedTogether(t *testing.T) {
	b := &series{remote: remote{memory.New(memory.Options{})}}
	n := start(t, hub.Options{Broker: b}, channelhttp.Options{})
	reader := rawReader{n.join("lobby")}
	sender := n.join("lobby")
	const messages = 200
	sender.Cork()
	for i := range messages {
		send(t, sender, websocket.Text, fmt.Sprint(i))
	}
	go sender.Close(websocket.StatusNormalClosure, "") // in the same segments as the last of them
	for i := range messages {
		if got := reader.hear(t).data; got != fmt.Sprint(i) {
			t.Fatalf("heard %q when %d was due", got, i)
		}
	}
	if taken := b.taken.Load(); taken == 0 || taken > messages/2 {
		t.Errorf("the broker was given %d series of %d messages", taken, messages)
	}
}

// A client that says goodbye behind what it published is told if that could not be published.
func TestASenderThatLeavesAtOnceIsToldWhatWasNotPublished(t *testing.T) {
	n := start(t, hub.Options{Broker: &series{remote: remote{memory.New(memory.Options{})}},
		Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone, MaxPayload: 10}}}, channelhttp.Options{})
	for range 10 {
		sender := n.join("lobby")
		sender.Cork()
		for _, text := range []string{"1", "much too long"} {
			send(t, sender, websocket.Text, text)
		}
		sender.Close(websocket.StatusNormalClosure, "") // in the same segment
		expectClose(t, sender, websocket.StatusMessageTooBig, "at most 10")
	}
}

func TestOfASeriesNothingIsPublishedBehindWhatIsRefused(t *testing.T) {
	n := start(t, hub.Options{Broker: &series{remote: remote{memory.New(memory.Options{})}},
		Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone, MaxPayload: 10}}}, channelhttp.Options{})
	reader, sender := rawReader{n.join("lobby")}, n.join("lobby")
	sender.Cork()
	for _, text := range []string{"1", "2", "much too long", "4"} {
		send(t, sender, websocket.Text, text)
	}
	if err := sender.Uncork(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1", "2"} {
		if got := reader.hear(t).data; got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
	n.until(func() bool { return n.hub.Sessions() == 1 }) // the sender was cut
	n.publish("lobby", "after")
	if got := reader.hear(t).data; got != "after" {
		t.Errorf("heard %q", got)
	}
}

func TestWithARemoteBrokerNothingWaitsOnAnEventLoop(t *testing.T) {
	n := start(t, hub.Options{Broker: remote{memory.New(memory.Options{})}}, channelhttp.Options{})
	n.publish("lobby", "0")
	cursor := n.poll(path("lobby")).Cursor
	raw, events := n.join("lobby"), n.listen(path("lobby")).begin(t)
	for i := range 100 {
		send(t, raw, websocket.Text, fmt.Sprint(i+1))
	}
	for _, r := range []reader{rawReader{raw}, events, rawReader{n.joinPath("lobby", "?after="+cursor)}} {
		for i := range 100 {
			if got := r.hear(t).data; got != fmt.Sprint(i+1) {
				t.Fatalf("heard %q when %d was due", got, i+1)
			}
		}
	}
}
