// A client that returns with its cursor gets what it missed, whatever transport it left and whatever it returns by.

package channelhttp_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// returns are the ways to come back to a channel with a cursor.
var returns = map[string]func(n *node, channel, cursor string) reader{
	"raw WebSocket": func(n *node, channel, cursor string) reader {
		return rawReader{n.joinPath(channel, "?after="+cursor)}
	},
	"event stream": func(n *node, channel, cursor string) reader {
		return n.listen(path(channel) + "after=" + cursor)
	},
	"event stream that reconnects": func(n *node, channel, cursor string) reader {
		return n.listen(path(channel)+"after=aaaaaaaa-1", "Last-Event-ID: "+cursor)
	},
	"event stream of JSON": func(n *node, channel, cursor string) reader {
		return n.listen(path(channel) + "format=json&after=" + cursor)
	},
	"event stream of several": func(n *node, channel, cursor string) reader {
		return n.listen("/channels?channel=other&channel=" + channel + "&after=" + cursor + ".aaaaaaaa-7")
	},
	"event stream over HTTP/2": func(n *node, channel, cursor string) reader {
		return n.listen2(path(channel) + "after=" + cursor)
	},
	"long poll": func(n *node, channel, cursor string) reader {
		return &pollReader{node: n, path: path(channel) + "limit=2", wait: "30s", after: cursor}
	},
	"short poll": func(n *node, channel, cursor string) reader {
		return &pollReader{node: n, path: path(channel) + "limit=3", after: cursor}
	},
	"poll of several": func(n *node, channel, cursor string) reader {
		return &pollReader{node: n, path: "/channels?channel=other&channel=" + channel, wait: "30s", after: cursor}
	},
}

func TestACursorGoesOnOverEveryTransport(t *testing.T) {
	const missed = 300 // more than the hub reads from history at a time
	n := start(t, hub.Options{}, channelhttp.Options{})
	events := n.listen(path("lobby")).begin(t)
	several := n.listen(path("lobby") + "channel=third").begin(t)
	n.mustPost(path("lobby"), "", "seen")
	cursors := map[string]string{
		"an event stream":            events.hear(t).id,
		"an event stream of several": several.hear(t).id,
		"a poll":                     n.poll(path("lobby")).Cursor,
		"its message":                decode(t, n.poll(path("lobby")).Messages[0]).id,
	}
	for i := range missed {
		n.publish("lobby", fmt.Sprint(i))
	}
	live := 0 // published after the others, and heard by whoever comes later, too
	for from, cursor := range cursors {
		for by, back := range returns {
			r := back(n, "lobby", cursor)
			if e, ok := r.(*eventReader); ok && by == "event stream of several" { // it begins with what it cannot know
				if e := e.must(t); e.name != "gap" || e.data != `{"channel":"other","from":0,"recovered":false}` {
					t.Errorf("%s: %+v", by, e)
				}
			}
			for i := range missed {
				if got := r.hear(t).data; got != fmt.Sprint(i) {
					t.Fatalf("from %s by %s: heard %q when %d was due", from, by, got, i)
				}
			}
			n.publish("lobby", "live")
			live++
			for range live {
				if got := r.hear(t).data; got != "live" {
					t.Fatalf("from %s by %s: heard %q live", from, by, got)
				}
			}
		}
	}
}

func TestAListenerOfSeveralChannelsGoesOnInAllOfThem(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	events := n.listen("/channels?channel=a&channel=b&channel=c&channel=a").begin(t)
	n.publish("a", "a1")
	n.publish("b", "b1")
	events.hear(t)
	cursor := events.hear(t).id
	events.close()
	for i := 2; i < 5; i++ {
		n.publish("a", fmt.Sprint("a", i))
		n.publish("b", fmt.Sprint("b", i))
		n.publish("c", fmt.Sprint("c", i))
	}
	for _, r := range []reader{
		n.listen("/channels?channel=c&channel=a&channel=b&after=" + cursor),
		&pollReader{node: n, path: "/channels?channel=c&channel=a&channel=b&limit=4", wait: "30s", after: cursor},
	} {
		next := map[string]int{"a": 2, "b": 2, "c": 2}
		for range 9 {
			h := r.hear(t)
			if want := fmt.Sprint(h.channel, next[h.channel]); h.data != want {
				t.Fatalf("heard %q in %q, want %q", h.data, h.channel, want)
			}
			next[h.channel]++
		}
	}
}

func TestACursorThatCannotBeGoneOnFromIsSaidToBe(t *testing.T) {
	short := open
	short.History.Count = 3
	n := start(t, hub.Options{Rules: []hub.Rule{short}}, channelhttp.Options{})
	n.publish("lobby", "1")
	old := n.poll(path("lobby")).Cursor
	for i := range 6 {
		n.publish("lobby", fmt.Sprint(i+2))
	}
	top := n.poll(path("lobby")).Cursor
	future := top[:len(top)-1] + "999"
	for _, cursor := range []string{"aaaaaaaa-1", future, old} {
		for _, stream := range []*eventReader{n.listen(path("lobby") + "after=" + cursor), n.listen2(path("lobby") + "after=" + cursor),
			n.listen(path("lobby") + "format=json&after=" + cursor)} {
			e := stream.must(t)
			if e.name != "gap" || e.data != `{"channel":"lobby","from":0,"recovered":false}` || e.id != top {
				t.Errorf("%s: an event stream says %+v", cursor, e)
			}
		}
		raw := n.joinPath("lobby", "?after="+cursor)
		expectClose(t, raw, websocket.StatusTryAgainLater, "cannot be recovered")
		if cursor == old {
			continue
		}
		for _, wait := range []string{"", "&wait=60s"} {
			a := n.poll(path("lobby") + "after=" + cursor + wait)
			if a.Recovered == nil || *a.Recovered || a.Cursor != top || len(a.Messages) != 0 {
				t.Errorf("%s: a poll says %+v", cursor, a)
			}
		}
	}
	a := n.poll(path("lobby") + "wait=60s&after=" + old) // what is kept of it, and what is not
	if a.Recovered != nil || len(a.Gaps) != 1 || a.Gaps[0].From != 2 || a.Gaps[0].To != 4 || len(a.Messages) != 3 ||
		decode(t, a.Messages[0]).data != "5" || a.Cursor != top {
		t.Errorf("a poll from before the history says %+v", a)
	}
}

func TestAChannelWithoutHistoryHasACursorAllTheSame(t *testing.T) {
	n := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*"}}}, channelhttp.Options{})
	keeper := n.join("lobby") // whose subscription keeps the numbering
	first := n.poll(path("lobby"))
	if len(first.Messages) != 0 || first.Cursor == "" || first.Recovered != nil {
		t.Fatalf("%+v", first)
	}
	if a := n.poll(path("lobby") + "after=" + first.Cursor); a.Recovered != nil || a.Cursor != first.Cursor {
		t.Errorf("nothing has happened: %+v", a)
	}
	n.publish("lobby", "x")
	expect(t, keeper, websocket.Text, "x")
	if a := n.poll(path("lobby") + "after=" + first.Cursor); a.Recovered == nil || *a.Recovered {
		t.Errorf("something is lost: %+v", a)
	}
}

func TestALongPollAnswersAsSoonAsThereIsSomething(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	answers := make(chan answer, 1)
	go func() { answers <- n.poll(path("lobby") + "wait=60") }()
	n.until(func() bool { return n.hub.Subscribers("lobby") == 1 })
	started := time.Now()
	n.publish("lobby", "hello")
	if a := <-answers; len(a.Messages) != 1 || time.Since(started) > 30*time.Second {
		t.Errorf("after %v: %+v", time.Since(started), a)
	}
	a := n.poll(path("lobby") + "wait=10ms")
	if len(a.Messages) != 0 || a.Cursor == "" {
		t.Errorf("in vain: %+v", a)
	}
	n.until(func() bool { return n.hub.Sessions() == 0 })
}

func TestAPollAnswersNoMoreThanFits(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{OutboxBytes: 10_000})
	for i := range 20 {
		n.publish("lobby", fmt.Sprintf("%02d%0998d", i, 0))
	}
	newest := n.poll(path("lobby") + "limit=1000")
	if len(newest.Messages) != 10 || decode(t, newest.Messages[9]).data[:2] != "19" {
		t.Errorf("%d messages", len(newest.Messages))
	}
	epoch := newest.Cursor[:8]
	r := &pollReader{node: n, path: path("lobby") + "limit=1000", after: epoch + "-0"}
	for i := range 20 {
		if got := r.hear(t).data[:2]; got != fmt.Sprintf("%02d", i) {
			t.Fatalf("heard %s when %d was due", got, i)
		}
	}
}

// atGoodbye is a log of whose writer something else gets the time when a line is closed.
type atGoodbye func()

func (f atGoodbye) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "cannot be recovered") {
		f()
	}
	return len(b), nil
}

// What is published while a client is told that its cursor is not good any more must not come first: a client that counts would take it for
// what followed its cursor.
func TestNothingComesBeforeTheWordThatACursorCannotBeGoneOnFrom(t *testing.T) {
	var n *node
	said := make(chan struct{})
	n = start(t, hub.Options{}, channelhttp.Options{Log: slog.New(slog.NewTextHandler(atGoodbye(func() {
		go func() { n.publish("lobby", "meanwhile"); close(said) }()
		select {
		case <-said:
		case <-time.After(100 * time.Millisecond): // the publication may have to wait for the goodbye
		}
	}), nil))})
	n.publish("lobby", "before")
	raw := n.joinPath("lobby", "?after=aaaaaaaa-1")
	if _, payload, err := raw.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("the first that comes is %q, %v", payload, err)
	}
	<-said
}
