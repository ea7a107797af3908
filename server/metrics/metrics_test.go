package metrics_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/metrics"
	"github.com/ringdown/ringdown/server/tracing"
	"github.com/ringdown/ringdown/websocket/loop"
)

var update = flag.Bool("update", false, "rewrite the table in docs/operations.md")

const (
	operationsPage = "../../docs/operations.md"
	boardFile      = "../../deploy/grafana/ringdown.json"
)

// receiver is a client over a transport.
type receiver struct{}

func (receiver) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (receiver) Notify(*hub.Notice)                     {}
func (receiver) End(error)                              {}
func (receiver) Describe() hub.Description {
	return hub.Description{Transport: "websocket", Protocol: "native"}
}

// start returns the metrics of a node that has done a little of everything, and its hub.
func start(t testing.TB) (*metrics.Metrics, *hub.Hub) {
	t.Helper()
	broker := memory.New(memory.Options{})
	h, err := hub.New(hub.Options{Broker: broker, Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 10}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	s, err := h.Open(receiver{}, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Subscribe(t.Context(), "news", hub.SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Publish(t.Context(), &hub.Publication{Channel: "news", Payload: []byte("four")}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	h.Refused(hub.NotAllowed)
	m := metrics.New(metrics.Sources{
		Hub: h,
		Loops: map[string]func() loop.Stats{"native": func() loop.Stats {
			return loop.Stats{Connections: 3, Waiting: 7, Refused: 2, LoopLag: 200 * time.Millisecond}
		}},
		SocketIO: func() socketio.Stats { return socketio.Stats{Kept: 12, Recovered: 13, ParseErrors: 14} },
		Store:    broker.Stats,
		Broker: func() brokers.Stats {
			return brokers.Stats{Links: 3, Connected: 2, Waiting: 4, Publishing: 5, Latency: 200 * time.Millisecond, Published: 6, Failed: 7, Retried: 8, Reconnects: 9, Interrupts: 10}
		},
		BrokerReady: func() bool { return false },
		Endpoints: func() []backend.Endpoint {
			return []backend.Endpoint{{State: backend.Open, Waiting: 4}, {State: backend.Closed, UnderWay: 2}, {State: backend.Open, UnderWay: 1}}
		},
		Events: func() backend.EventStats {
			return backend.EventStats{Waiting: 5, Bytes: 600, Delivered: 70, Lost: 8, Failures: 9}
		},
		Limited: func() map[string]uint64 { return map[string]uint64{"session.messages": 11} },
		Traces:  func() tracing.Stats { return tracing.Stats{Ended: 30, Sent: 20, Failed: 3} },
		Version: "1.2.3",
		Ready:   func() bool { return false },
	})
	m.ObserveAPI("publish", 201, 3*time.Millisecond)
	m.ObserveAPI("", 404, time.Millisecond)
	for _, err := range []error{
		nil, &backend.Error{}, fmt.Errorf("it said: %w", backend.ErrDenied), fmt.Errorf("%w: %w", backend.ErrUnavailable, backend.ErrNotAsked), context.Canceled,
	} {
		m.ObserveHook(backend.Connect, 20*time.Millisecond, err)
	}
	return m, h
}

func scrape(t testing.TB, m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if w.Code != 200 || err != nil {
		t.Fatalf("%d %s %v", w.Code, body, err)
	}
	return string(body)
}

func TestWhatANodeDoesIsShown(t *testing.T) {
	m, _ := start(t)
	shown := scrape(t, m)
	for _, line := range []string{
		`ringdown_build_info{version="1.2.3"} 1`,
		`ringdown_ready 0`,
		`ringdown_sessions{protocol="native",transport="websocket"} 1`,
		`ringdown_sessions_opened_total 1`,
		`ringdown_channels 1`,
		`ringdown_subscriptions 1`,
		`ringdown_publications_total 1`,
		`ringdown_published_bytes_total 4`,
		`ringdown_deliveries_total{at="once"} 1`,
		`ringdown_delivered_bytes_total 4`,
		`ringdown_refusals_total{code="not_allowed"} 1`,
		`ringdown_disconnects_total{code="client"} 0`,
		`ringdown_recoveries_total{recovered="false"} 0`,
		`ringdown_outbox_waiting_bytes{gateway="native"} 7`,
		`ringdown_handshakes_total{gateway="native",result="failed"} 2`,
		`ringdown_loop_lag_max_seconds{gateway="native"} 0.2`,
		`ringdown_broker_channels 1`,
		`ringdown_api_request_seconds_count{operation="publish",status="201"} 1`,
		`ringdown_api_request_seconds_count{operation="unknown",status="404"} 1`,
		`ringdown_socketio_kept 12`, `ringdown_socketio_recoveries_total{recovered="true"} 13`, `ringdown_engineio_ended_total{cause="parse_error"} 14`,
		`ringdown_hook_seconds_count{hook="connect",outcome="allowed"} 1`,
		`ringdown_hook_seconds_count{hook="connect",outcome="denied"} 1`,
		`ringdown_hook_seconds_count{hook="connect",outcome="failed"} 1`,
		`ringdown_hook_seconds_count{hook="connect",outcome="skipped"} 1`,
		`ringdown_hook_seconds_count{hook="connect",outcome="abandoned"} 1`,
		`ringdown_hook_breakers{state="open"} 2`,
		`ringdown_hook_breakers{state="closed"} 1`,
		`ringdown_hook_breakers{state="half-open"} 0`,
		`ringdown_hook_requests{stage="under_way"} 3`,
		`ringdown_hook_requests{stage="waiting"} 4`,
		`ringdown_events_waiting 5`,
		`ringdown_events_waiting_bytes 600`,
		`ringdown_events_delivered_total 70`,
		`ringdown_events_lost_total 8`,
		`ringdown_events_failures_total 9`,
		`ringdown_broker_up 0`, `ringdown_broker_links{state="connected"} 2`, `ringdown_broker_links{state="broken"} 1`,
		`ringdown_broker_waiting 4`, `ringdown_broker_publishing 5`, `ringdown_broker_latency_seconds 0.2`, `ringdown_broker_publishes_total{result="done"} 6`,
		`ringdown_broker_publishes_total{result="failed"} 7`, `ringdown_broker_retries_total 8`, `ringdown_broker_reconnects_total 9`, `ringdown_broker_interruptions_total 10`,
		`ringdown_limited_total{limit="session.messages"} 11`,
		`ringdown_trace_spans_total 30`,
		`ringdown_trace_spans_exported_total{result="sent"} 20`,
		`ringdown_trace_spans_exported_total{result="failed"} 3`,
	} {
		if !strings.Contains(shown, "\n"+line+"\n") {
			t.Errorf("%s is not shown", line)
		}
	}
	if !strings.Contains(shown, "\ngo_goroutines ") {
		t.Error("the Go runtime is not shown")
	}
}

// names are all metrics of a registry, with the labels that they have been seen with.
func names(t *testing.T, m *metrics.Metrics) map[string][]string {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, f := range families {
		labels := []string{}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		all[f.GetName()] = labels
		if f.GetMetric()[0].GetHistogram() != nil {
			all[f.GetName()+"_count"], all[f.GetName()+"_sum"], all[f.GetName()+"_bucket"] = labels, labels, append(slices.Clone(labels), "le")
		}
	}
	return all
}

func TestTheTableIsTheRegistry(t *testing.T) {
	m, _ := start(t)
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var shown, documented []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "ringdown_") {
			continue
		}
		labels := []string{}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		shown = append(shown, fmt.Sprintln(f.GetName(), strings.ToLower(f.GetType().String()), f.GetHelp(), labels))
	}
	for _, d := range metrics.Docs() {
		labels := slices.Sorted(slices.Values(d.Labels))
		documented = append(documented, fmt.Sprintln(d.Name, d.Type, d.Means, labels))
		if d.Action == "" {
			t.Errorf("nobody is told what to do about %s", d.Name)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(documented, shown); diff != "" {
		t.Errorf("the table and the registry differ:\n%s", diff)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("names against the conventions: %+v, %v", problems, err)
	}
}

// TestTheOperationsPageHasTheTable keeps the table in docs/operations.md what metrics.Docs says.
func TestTheOperationsPageHasTheTable(t *testing.T) {
	const begin, end = "<!-- metrics -->\n", "<!-- end of metrics -->\n"
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/operations.md has lost its marks %q and %q", begin, end)
	}
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it is | when it moves |\n|---|---|---|---|---|\n")
	for _, d := range metrics.Docs() {
		labels := "–"
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Type, labels, d.Means, d.Action)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(operationsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/operations.md is not up to date; go test ./server/metrics -run OperationsPage -update writes it:\n%s", diff)
	}
	known := names(t, first(start(t)))
	for _, name := range metricName.FindAllString(before+after, -1) {
		if _, exists := known[name]; !exists {
			t.Errorf("docs/operations.md names %s, which does not exist", name)
		}
	}
}

func first[T, U any](x T, _ U) T { return x }

var (
	metricName = regexp.MustCompile(`\b(?:ringdown|go|process)_[a-z0-9_]+\b`)
	groupedBy  = regexp.MustCompile(`\bby \(([^)]*)\)`)
	legend     = regexp.MustCompile(`{{(\w+)}}`)
)

// panel is what the test reads of the board.
type panel struct {
	ID          int
	Type, Title string
	Description string
	Targets     []struct{ Expr, LegendFormat string }
	GridPos     struct{ H, W, X, Y int }
}

func TestTheBoardShowsWhatExistsAndAllThatIsOurs(t *testing.T) {
	file, err := os.ReadFile(boardFile)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []panel
	}
	if err := json.Unmarshal(file, &board); err != nil {
		t.Fatal(err)
	}
	known := names(t, first(start(t)))
	if _, linux := known["process_open_fds"]; !linux {
		t.Log("this system shows no process metrics; those of the board are not checked")
	}
	ids, shown := map[int]bool{}, map[string]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%q: its id is taken, it has no title, or it is too wide", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("%q shows nothing, or is not explained", p.Title)
		}
		for _, target := range p.Targets {
			labels := []string{"instance", "job"}
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				has, exists := known[name]
				if !exists && !(strings.HasPrefix(name, "process_") && known["process_open_fds"] == nil) {
					t.Errorf("%q: there is no metric %s", p.Title, name)
				}
				labels = append(labels, has...)
				shown[name] = true
			}
			used := legend.FindAllStringSubmatch(target.LegendFormat, -1)
			for _, group := range groupedBy.FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(group[1], ", ") {
					used = append(used, []string{"", label})
				}
			}
			for _, label := range used {
				if !slices.Contains(labels, label[1]) {
					t.Errorf("%q: %s has no label %s", p.Title, target.Expr, label[1])
				}
			}
		}
	}
	for _, d := range metrics.Docs() {
		if !shown[d.Name] && !shown[d.Name+"_bucket"] {
			t.Errorf("no panel shows %s", d.Name)
		}
	}
}

// A collection must not walk over sessions: it takes as many allocations with ten thousand of them as with one.
func TestACollectionDoesNotDependOnTheNumberOfSessions(t *testing.T) {
	m, h := start(t)
	gather := func() float64 {
		return testing.AllocsPerRun(5, func() {
			if _, err := m.Registry().Gather(); err != nil {
				t.Fatal(err)
			}
		})
	}
	few := gather()
	for i := range 10_000 {
		s, err := h.Open(receiver{}, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Subscribe(t.Context(), fmt.Sprint("room:", i), hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if many := gather(); many > few*1.2 {
		t.Errorf("%v allocations with one session, %v with ten thousand", few, many)
	}
}
