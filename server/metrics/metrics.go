// Package metrics tells what a node does, in the form that Prometheus reads. Every metric is in one table, of which
// docs/operations.md is made.
//
//	m := metrics.New(metrics.Sources{
//		Hub:   h,
//		Loops: map[string]func() loop.Stats{"channels": channels.Stats, "native": native.Stats},
//		Store: broker.Stats,
//	})
//	mux.Handle("/metrics", m)
//
// A collection reads counters that others keep: it walks over no session and no channel, however many there are. The values of
// labels are bounded: transports, gateways, codes of [hub.Refusals], operations of the API, names of hooks and of limits.
package metrics

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/tracing"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Sources are what is told of. Only Hub must be given.
type Sources struct {
	Hub *hub.Hub
	// Loops are the event loops, by the name of their gateway.
	Loops map[string]func() loop.Stats
	// SocketIO tells of Socket.IO clients; nil where they are not served.
	SocketIO func() socketio.Stats
	// Store tells of the memory broker; nil where there is none.
	Store func() memory.Stats
	// Broker tells of the broker between nodes, and BrokerReady whether it can be used; nil where there is none.
	Broker      func() brokers.Stats
	BrokerReady func() bool
	// Endpoints tells how it stands with the hooks; nil where there are none.
	Endpoints func() []backend.Endpoint
	// Events tells of those that the backend is sent; nil where there are none.
	Events func() backend.EventStats
	// Limited tells how often each limit was crossed; nil where nothing is limited.
	Limited func() map[string]uint64
	// Traces tells what became of spans; nil where nothing is traced.
	Traces func() tracing.Stats
	// Version of the program, for ringdown_build_info.
	Version string
	// Ready tells whether the node takes traffic, as [Health.Ready] does; nil is always.
	Ready func() bool
}

// Metrics is a registry of its own, and an [http.Handler] that shows it. It may be used from any goroutine.
type Metrics struct {
	http.Handler
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	hooks    *prometheus.HistogramVec
}

// collectTimeout bounds a collection, and maxCollections how many there are at once.
const (
	collectTimeout = 10 * time.Second
	maxCollections = 4
)

// New returns the metrics of a node.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(apiSeconds.histogram(), apiSeconds.labels)
	m.hooks = prometheus.NewHistogramVec(hookSeconds.histogram(), hookSeconds.labels)
	m.registry.MustRegister(m.requests, m.hooks, newCollector(s), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Timeout: collectTimeout, MaxRequestsInFlight: maxCollections, EnableOpenMetrics: true,
	})
	return m
}

// ObserveAPI is told of every answer of the server API; it is for api.Options.Observe.
func (m *Metrics) ObserveAPI(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "unknown"
	}
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Observe(took.Seconds())
}

// Outcome is how a call of a hook went.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed"
	Denied  Outcome = "denied"
	Failed  Outcome = "failed"  // no answer, or nonsense
	Skipped Outcome = "skipped" // not asked: the circuit breaker was open, or too many were under way

	Abandoned Outcome = "abandoned" // the client did not wait for the answer
)

// ObserveHook is told of every call of a hook; it is for [backend.HooksOptions].
func (m *Metrics) ObserveHook(hook backend.Hook, took time.Duration, err error) {
	m.hooks.WithLabelValues(string(hook), string(outcomeOf(err))).Observe(took.Seconds())
}

func outcomeOf(err error) Outcome {
	_, told := errors.AsType[*backend.Error](err)
	switch {
	case err == nil:
		return Allowed
	case errors.Is(err, backend.ErrDenied):
		return Denied
	case errors.Is(err, backend.ErrNotAsked):
		return Skipped
	case told:
		return Failed
	}
	return Abandoned
}

// Registry is for those who have metrics of their own to add. Their names should not begin with "ringdown_".
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }
