package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/console"
)

type endedPage struct {
	Ended []struct {
		ID, User, Address, Transport, Code, Cause, Advice string
		Refused                                           bool
		ClosedBy                                          string `json:"closed_by"`
		CloseCode                                         int    `json:"close_code"`
		QueueBytes                                        int    `json:"queue_bytes"`
		Number                                            uint64
	}
	Total int
	Next  string
}

func TestEndingsAreRememberedWithWhatToDo(t *testing.T) {
	n := start(t)
	ann := n.open(someone("ann", "192.0.2.7"), overWebSocket)
	bob := n.open(hub.Identity{User: "bob"}, hub.Description{Transport: "sse", Protocol: "events"})
	n.hub.Told(hub.Ending{Session: ann.session, Remote: "192.0.2.7:9", Code: hub.SlowConsumer, Close: 1013, Cause: "slow consumer: 1 MiB waits"})
	n.hub.Told(hub.Ending{Session: bob.session, Remote: "192.0.2.8:9", By: hub.ByNetwork, Silent: true, Close: 4400, Cause: "no answer to a ping"})
	n.hub.Told(hub.Ending{Refused: true, Remote: "192.0.2.9:9", Transport: "websocket", Code: hub.Unauthorized, Cause: "the token=abcdef is bad"})
	var got endedPage
	n.ask(200, &got, "GET", "/ended", "")
	if got.Total != 3 || got.Next != "" {
		t.Fatalf("%+v", got)
	}
	refused, silent, slow := got.Ended[0], got.Ended[1], got.Ended[2]
	if !refused.Refused || refused.ID != "" || refused.Code != "unauthorized" || refused.Cause != "the token=… is bad" || refused.ClosedBy != "server" {
		t.Errorf("a client that was refused: %+v", refused)
	}
	if silent.User != "bob" || silent.ClosedBy != "network" || silent.CloseCode != 0 || !strings.Contains(silent.Advice, "keep_alive.timeout") {
		t.Errorf("a client that went silent: %+v", silent)
	}
	if slow.ID != ann.session.ID() || slow.CloseCode != 1013 || slow.QueueBytes != 7 || !strings.Contains(slow.Advice, "outbox_bytes") {
		t.Errorf("a slow client: %+v", slow)
	}
	for find, want := range map[string]int{"ann": 1, "192.0.2.": 3, "192.0.2.9": 1, "unauthorized": 1, "sse": 1, "network": 1, slow.ID[:8]: 1, "an": 0} {
		got = endedPage{}
		if n.ask(200, &got, "GET", "/ended?find="+find, ""); got.Total != want || len(got.Ended) != want {
			t.Errorf("%s finds %d, want %d", find, got.Total, want)
		}
	}
}

func TestAFloodOfRefusalsDoesNotDriveOutWhyOthersDropped(t *testing.T) {
	n := start(t)
	for i := range 1500 {
		s := n.open(hub.Identity{User: fmt.Sprint(i)}, overWebSocket)
		n.hub.Told(hub.Ending{Session: s.session, By: hub.ByClient, Close: 1000})
		s.session.Close()
	}
	for range 5000 {
		n.hub.Told(hub.Ending{Refused: true, Code: hub.RateLimited})
	}
	ended, refused, last := 0, 0, uint64(0)
	for after := ""; ; {
		page := endedPage{}
		n.ask(200, &page, "GET", "/ended?limit=400"+after, "")
		if page.Total != 2000 {
			t.Fatalf("%d are remembered", page.Total)
		}
		for _, one := range page.Ended {
			if last != 0 && one.Number >= last {
				t.Fatalf("%d comes after %d", one.Number, last)
			}
			if last = one.Number; one.Refused {
				refused++
			} else {
				ended++
			}
		}
		if page.Next == "" {
			break
		}
		after = "&after=" + page.Next
	}
	if ended != 1000 || refused != 1000 {
		t.Errorf("%d endings and %d refusals are on the pages", ended, refused)
	}
}

// follow reads lines of a stream until one holds a text, and returns all of them.
func follow(t *testing.T, lines *bufio.Scanner, text string) (all []string) {
	t.Helper()
	for lines.Scan() {
		if all = append(all, lines.Text()); strings.Contains(lines.Text(), text) {
			return all
		}
	}
	t.Fatalf("the stream ended without %q: %v", text, lines.Err())
	return nil
}

// serve serves a node over a network, with time-outs that are shorter than its streams.
func serve(t *testing.T, n *node) func(path string) *bufio.Scanner {
	t.Helper()
	server := httptest.NewUnstartedServer(n.console)
	server.Config.WriteTimeout, server.Config.ReadTimeout = 500*time.Millisecond, 500*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return func(path string) *bufio.Scanner {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+console.Prefix+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%s: %s", path, response.Status)
		}
		return bufio.NewScanner(response.Body)
	}
}

func TestTheLogIsStreamed(t *testing.T) {
	n := start(t)
	for i := range 600 {
		n.log.Info("line", "number", i)
	}
	n.log.Debug("unseen")
	open := serve(t, n)
	lines := open("/log")
	kept := follow(t, lines, `"599"`)
	if len(kept) != 500 || !strings.Contains(kept[0], `"100"`) {
		t.Errorf("%d records are kept, from %s on", len(kept), kept[0])
	}
	grouped := n.log.With("node", "n1").WithGroup("a").With("b", 1).WithGroup("c")
	time.Sleep(700 * time.Millisecond) // longer than the server lets answers take: not this one
	grouped.Warn("live", "secret", "hunter2", "d", slog.GroupValue(slog.Int("e", 2)), "url", "/connect?token=abc", "api_token", "x", "key", "shop")
	var got struct {
		Time           time.Time
		Level, Message string
		Fields         map[string]string
	}
	all := follow(t, lines, "live")
	if err := json.Unmarshal([]byte(all[len(all)-1]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"node": "n1", "a.b": "1", "a.c.secret": "…", "a.c.d.e": "2", "a.c.url": "/connect?token=…", "a.c.api_token": "…", "a.c.key": "shop"}
	if got.Level != "WARN" || fmt.Sprint(got.Fields) != fmt.Sprint(want) {
		t.Errorf("%s %v, want %v", got.Level, got.Fields, want)
	}
	n.console.Close() // ends what is open
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
}

func TestTheConsoleHearsWhatTheLogDoesNotTake(t *testing.T) {
	n := start(t)
	quiet := slog.New(n.memory.Tap(slog.NewTextHandler(n.written, &slog.HandlerOptions{Level: slog.LevelError})))
	quiet.Info("whispered")
	follow(t, serve(t, n)("/log"), "whispered")
	if strings.Contains(n.written.String(), "whispered") {
		t.Error("the log has taken what is below its level")
	}
}

func TestSamplesAreStreamed(t *testing.T) {
	n := start(t, func(o *console.Options) {
		o.Counters = func() console.Counters {
			return console.Counters{Connections: map[string]int{"socketio_polling": 2}, MessagesIn: 3, BytesIn: 4, BytesOut: 5}
		}
		o.Lag = func(context.Context) time.Duration { return 1500 * time.Microsecond }
	})
	n.open(hub.Identity{}, overWebSocket, "news")
	n.open(hub.Identity{}, hub.Description{Transport: "engine.io"})
	if _, err := n.hub.Publish(t.Context(), &hub.Publication{Channel: "news", Payload: []byte("x")}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	all := follow(t, serve(t, n)("/samples"), `"sessions":2`)
	var got struct {
		Time          time.Time
		Connections   map[string]int
		Sessions      int
		Channels      int
		Subscriptions int
		MessagesIn    uint64  `json:"messages_in"`
		Deliveries    uint64  `json:"deliveries"`
		Lag           float64 `json:"loop_lag_seconds"`
		Heap          uint64  `json:"heap_bytes"`
		Goroutines    uint64  `json:"goroutines"`
	}
	if err := json.Unmarshal([]byte(all[len(all)-1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Connections["websocket"] != 1 || got.Connections["socketio_polling"] != 2 || len(got.Connections) != 2 || got.Channels != 1 || got.Deliveries != 1 ||
		got.MessagesIn != 3 || got.Lag != 0.0015 || got.Heap == 0 || got.Goroutines == 0 || got.Time.IsZero() {
		t.Errorf("%s is %+v", all[len(all)-1], got)
	}
}

func TestStreamsHaveABound(t *testing.T) {
	n := start(t)
	open := serve(t, n)
	n.log.Info("ready")
	for range 32 {
		follow(t, open("/log"), "ready")
	}
	var wrong problem
	n.ask(503, &wrong, "GET", "/log", "")
	if !strings.Contains(wrong.Detail, "32 streams") {
		t.Error(wrong.Detail)
	}
}
