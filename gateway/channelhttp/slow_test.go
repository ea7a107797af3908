// Clients that read slowly, by each policy; and clients that go.

package channelhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// streams are the ways in which an event stream is carried.
var streams = map[string]func(n *node, pathAndQuery string, header ...string) *eventReader{
	"on the event loop": (*node).listen,
	"on a goroutine":    (*node).listenUpstream,
	"of several":        func(n *node, p string, header ...string) *eventReader { return n.listen(p+"channel=other", header...) },
}

// listenUpstream opens an event stream through a server whose connections cannot be taken over.
func (n *node) listenUpstream(pathAndQuery string, header ...string) *eventReader {
	n.t.Helper()
	return n.listen("/goroutines"+pathAndQuery, header...)
}

// unhijackable hides everything of a ResponseWriter but what an event stream needs.
type unhijackable struct {
	http.ResponseWriter
	http.Flusher
}

func (u unhijackable) SetWriteDeadline(until time.Time) error {
	return http.NewResponseController(u.ResponseWriter).SetWriteDeadline(until)
}

// overload publishes text of 4 KB until the reader of a stream has fallen far behind what sockets hold.
func (n *node) overload(keys int) (published int) {
	for i := range 1500 {
		p := &hub.Publication{Channel: "lobby", Payload: fmt.Appendf(nil, "%d %s", i+1, strings.Repeat(".", 4<<10))}
		if keys > 0 {
			p.Key = fmt.Sprint("key", i%keys)
		}
		if _, err := n.hub.Publish(n.t.Context(), p, hub.PublishOptions{}); err != nil {
			n.t.Fatal(err)
		}
	}
	return 1500
}

// offsetOf is the offset of lobby in the cursor of an event, of which that of "other" is 0.
func offsetOf(t *testing.T, id string) int {
	t.Helper()
	for part := range strings.SplitSeq(id, ".") {
		_, digits, _ := strings.Cut(part, "-")
		if n, err := strconv.Atoi(digits); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

func TestASlowListenerIsToldOfTheGapsWhereTheOldestAreDropped(t *testing.T) {
	for carried, listen := range streams {
		t.Run(carried, func(t *testing.T) {
			rule := open
			rule.Slow, rule.Backlog = hub.DropOldest, 64<<10
			n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{OutboxBytes: 256 << 10})
			slow := listen(n, path("lobby")).begin(t)
			published := n.overload(0)
			gaps := 0
			for next := 1; next <= published; {
				e := slow.must(t)
				if e.name != "gap" {
					if got := offsetOf(t, e.id); got != next {
						t.Fatalf("publication %d came when %d was due", got, next)
					}
					next++
					continue
				}
				var gap struct{ From, To int }
				if json.Unmarshal([]byte(e.data), &gap); gap.From != next || gap.To < gap.From || offsetOf(t, e.id) != gap.To {
					t.Fatalf("a gap %s (%s) when %d was due", e.data, e.id, next)
				}
				next = gap.To + 1
				gaps++
			}
			if gaps == 0 {
				t.Error("no gap was told")
			}
		})
	}
}

func TestASlowListenerGetsTheNewestOfEachKeyWhereTheyAreConflated(t *testing.T) {
	for carried, listen := range streams {
		t.Run(carried, func(t *testing.T) {
			const keys = 10
			rule := open
			rule.Slow = hub.Conflate
			n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{OutboxBytes: 256 << 10})
			slow := listen(n, path("lobby")).begin(t)
			published := n.overload(keys)
			heardOf, last := 0, 0
			for last < published {
				e := slow.must(t)
				if e.name != "" {
					t.Fatalf("an event %s: %s", e.name, e.data)
				}
				at := offsetOf(t, e.id)
				if at <= last {
					t.Fatalf("%d came after %d", at, last)
				}
				last = at
				heardOf++
			}
			if heardOf == published || heardOf < keys {
				t.Errorf("heard %d of %d", heardOf, published)
			}
		})
	}
}

func TestAPollBringsTheNewestOfEachKeyWhereTheyAreConflated(t *testing.T) {
	rule := open
	rule.Slow, rule.History = hub.Conflate, hub.Retention{Count: 100}
	n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{})
	cursor := n.poll(path("lobby")).Cursor
	for _, key := range strings.Fields("a b a c a b") {
		n.mustPost(path("lobby")+"key="+key, "", key)
	}
	whole := n.poll(path("lobby") + "after=" + cursor)
	if got := fmt.Sprint(offsets(whole)); got != "[4 5 6]" {
		t.Errorf("of six a poll brought those at %s", got)
	}
	if after := n.poll(path("lobby") + "after=" + whole.Cursor); len(after.Messages) > 0 || after.Recovered != nil {
		t.Errorf("the next poll brought %+v", after)
	}
	part := n.poll(path("lobby") + "limit=3&after=" + cursor)
	rest := n.poll(path("lobby") + "limit=3&after=" + part.Cursor)
	if got := fmt.Sprint(offsets(part), offsets(rest)); got != "[2 3] [4 5 6]" {
		t.Errorf("three at a time, the polls brought those at %s", got)
	}
}

func offsets(a answer) (all []uint64) {
	for _, m := range a.Messages {
		var o object
		json.Unmarshal(m, &o) // what is none has no offset
		all = append(all, o.Offset)
	}
	return all
}

func TestASlowListenerIsCutAndComesBackWithoutLossWhereTheRuleSaysSo(t *testing.T) {
	for carried, listen := range streams {
		t.Run(carried, func(t *testing.T) {
			rule := open
			rule.History.Count = 5000
			n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{OutboxBytes: 256 << 10, OutboxAge: time.Hour})
			slow := listen(n, path("lobby")).begin(t)
			published := n.overload(0)
			n.until(func() bool { return n.hub.Sessions() == 0 })
			cursor, read := slow.lastID, 0
			for {
				e, err := slow.next()
				if err != nil {
					break
				}
				read++
				if got := offsetOf(t, e.id); got != read {
					t.Fatalf("%d came when %d was due", got, read)
				}
				cursor = e.id
			}
			if read == published {
				t.Fatal("it was not cut")
			}
			back := listen(n, path("lobby"), "Last-Event-ID: "+cursor)
			for next := read + 1; next <= published; next++ {
				if got := offsetOf(t, back.must(t).id); got != next {
					t.Fatalf("%d came when %d was due", got, next)
				}
			}
		})
	}
}

// A raw WebSocket has no words for a gap.
func TestASlowRawWebSocketIsClosedRatherThanLeftWithAGap(t *testing.T) {
	for proves, rule := range map[string]hub.Rule{
		"the oldest are dropped":  {Pattern: "*", Slow: hub.DropOldest, Backlog: 64 << 10},
		"more keys than may wait": {Pattern: "*", Slow: hub.Conflate, Backlog: 64 << 10},
	} {
		t.Run(proves, func(t *testing.T) {
			n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{OutboxBytes: 256 << 10})
			slow := n.join("lobby")
			n.overload(100)
			expectClose(t, slow, websocket.StatusTryAgainLater, "slow consumer")
		})
	}
}

func TestASlowRawWebSocketGetsTheNewestOfEachKeyWhereTheyAreConflated(t *testing.T) {
	n := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*", Slow: hub.Conflate}}}, channelhttp.Options{OutboxBytes: 256 << 10})
	slow := n.join("lobby")
	published := n.overload(10)
	last, heardOf := 0, 0
	for last < published {
		_, payload, err := slow.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(payload), " ")
		at, err := strconv.Atoi(text)
		if err != nil || at <= last {
			t.Fatalf("%q came after %d", text, last)
		}
		last = at
		heardOf++
	}
	if heardOf == published {
		t.Error("nothing was conflated")
	}
}

func TestAReceiptTellsHowManyLag(t *testing.T) {
	rule := open
	rule.Slow = hub.Conflate
	n := start(t, hub.Options{Rules: []hub.Rule{rule}}, channelhttp.Options{OutboxBytes: 256 << 10})
	n.listen(path("lobby")).begin(t)
	n.join("lobby")
	var receipt struct{ Subscribers, Lagging int }
	n.until(func() bool { // sockets take a while to be full
		n.overload(10)
		_, body := n.do("POST", path("lobby"), nil, "x")
		if err := json.Unmarshal([]byte(body), &receipt); err != nil || receipt.Subscribers != 2 {
			t.Fatalf("the receipt is %s", body)
		}
		return receipt.Lagging == 2
	})
}

func TestAClientThatGoesAwayIsNoticed(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	for carried, listen := range streams {
		for range 3 {
			e := listen(n, path("lobby")).begin(t)
			if n.hub.Sessions() == 0 {
				t.Errorf("%s: there is no session", carried)
			}
			e.close()
			n.until(func() bool { return n.hub.Sessions() == 0 })
		}
	}
	c := n.join("lobby")
	c.CloseNow()
	n.until(func() bool { return n.hub.Sessions() == 0 })

	conn, err := dialSmall(t.Context(), "tcp", n.host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /channels/lobby?wait=60s HTTP/1.1\r\nHost: %s\r\n\r\n", n.host)
	n.until(func() bool { return n.hub.Sessions() == 1 })
	conn.Close()
	n.until(func() bool { return n.hub.Sessions() == 0 })
}

func TestAQuietEventStreamHasAHeartbeat(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.KeepAlive.Interval = time.Second
	n := start(t, hub.Options{}, options)
	for carried, listen := range map[string]func(n *node, p string, header ...string) *eventReader{"loop": (*node).listen, "goroutine": (*node).listenUpstream} {
		e := listen(n, path("lobby")).begin(t)
		if line, err := e.lines.ReadString('\n'); line != ":\n" || err != nil {
			t.Errorf("%s: read %q, %v", carried, line, err)
		}
	}
}
