// The one table of all metrics that are ours: their names, what they mean, and what to do about them.

package metrics

import "github.com/prometheus/client_golang/prometheus"

// metric is a line of the table.
type metric struct {
	name   string
	labels []string
	kind   prometheus.ValueType
	hist   bool   // a histogram instead
	means  string // what it is, and its unit
	action string // what to do when it moves
}

// histogram are the options of one.
func (m *metric) histogram() prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: m.name, Help: m.means, Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}
}

// table keeps the order of the documentation.
var table []*metric

func gauge(name, means, action string, labels ...string) *metric {
	return enter(&metric{name: name, labels: labels, kind: prometheus.GaugeValue, means: means, action: action})
}

func counter(name, means, action string, labels ...string) *metric {
	return enter(&metric{name: name, labels: labels, kind: prometheus.CounterValue, means: means, action: action})
}

func histogram(name, means, action string, labels ...string) *metric {
	return enter(&metric{name: name, labels: labels, hist: true, means: means, action: action})
}

func enter(m *metric) *metric {
	table = append(table, m)
	return m
}

var (
	buildInfo = gauge("ringdown_build_info", "Always 1; the version is its label.",
		"Several versions at once mean that a rollout is not finished.", "version")
	readyNow = gauge("ringdown_ready", "1 while /readyz says that the node takes traffic, otherwise 0.",
		"0 outside of a restart: ask `/readyz` for the reasons.")

	sessions = gauge("ringdown_sessions", "Sessions that are open now.",
		"A sudden fall is a network or proxy that cut lines; a rise towards `max_connections` needs another node or a higher limit.", "transport", "protocol")
	sessionsOpened = counter("ringdown_sessions_opened_total", "Sessions that were opened, those of single requests included.",
		"Its rate far above the usual is a reconnect storm: look at `ringdown_disconnects_total` for why.")
	disconnects = counter("ringdown_disconnects_total", "Sessions that ended, by cause: a code of docs/errors.md, or `client` if the client went by itself. Without sessions of single requests.",
		"`slow_consumer`: clients cannot keep up, conflate or publish less. `token_expired`: clients do not renew. `shutting_down`: a drain.", "code")
	refusals = counter("ringdown_refusals_total", "Refusals that clients of the gateways were told, by code.",
		"`rate_limited`, `unauthorized`, `foreign_origin`: a misconfigured client or an attack, the log names the address. `unavailable`: the broker. `internal`: a bug, see the log.", "code")

	channels = gauge("ringdown_channels", "Channels with a subscriber of this node.",
		"A steady rise without more sessions: clients subscribe to ever new names.")
	subscriptions = gauge("ringdown_subscriptions", "Subscriptions of all sessions.",
		"Compare with sessions: many per session cost memory and make restarts slow.")

	publications = counter("ringdown_publications_total", "Publications that this node took from clients and the API.",
		"Zero while clients are there: publishers are cut off, or the broker is.")
	publishedBytes = counter("ringdown_published_bytes_total", "Payload of those publications, in bytes.",
		"Rising faster than the publications: payloads grow.")
	duplicates = counter("ringdown_duplicate_publications_total", "Publications that were repeated with their idempotency key, and not published again.",
		"A rise: publishers do not get their answers in time and try again.")
	deliveries = counter("ringdown_deliveries_total", "Publications handed to subscribers of this node, `at` once or `later` because they were behind.",
		"Much `later`: clients are slow, or many have just come back.", "at")
	deliveredBytes = counter("ringdown_delivered_bytes_total", "Payload handed to subscribers at once, in bytes.",
		"Divide by the deliveries for the size; compare with the network's capacity.")

	drops = counter("ringdown_drops_total", "Publications that slow subscribers did not get, by policy: `drop_oldest` or `conflate`.",
		"`conflate` is meant to; `drop_oldest` is loss that clients are told of: raise the backlog, or publish less.", "policy")
	gaps = counter("ringdown_gaps_total", "Gaps that subscribers were told of.",
		"Any rise is loss seen by clients: look at drops, heals and at the retention of the channel.")
	heals = counter("ringdown_heals_total", "Holes in what the broker delivered that were to be filled from history.",
		"Beyond a broker's restart: the connection to the broker loses messages.")
	recoveries = counter("ringdown_recoveries_total", "Subscriptions that asked for what they had missed, by whether they got all of it.",
		"`recovered=\"false\"`: clients are away for longer than history is kept; raise the retention.", "recovered")

	connections = gauge("ringdown_loop_connections", "Connections on the event loops.", "As sessions, lingering connections included.", "gateway")
	messagesIn  = counter("ringdown_received_messages_total", "Messages received from clients over WebSockets.",
		"A rise without publications: clients send what is refused.", "gateway")
	bytesIn  = counter("ringdown_received_bytes_total", "Payload received from clients, inflated, in bytes.", "As messages; set a limit per client if a few send most of it.", "gateway")
	bytesOut = counter("ringdown_sent_bytes_total", "Bytes written to connections of the event loops, after compression.", "Compare with the network's capacity.", "gateway")
	writes   = counter("ringdown_writes_total", "System calls that wrote them.", "Many per delivery: publications are spread too evenly to be gathered; nothing to do unless the CPU is short.", "gateway")
	waiting  = gauge("ringdown_outbox_waiting_bytes", "Bytes that wait in the outboxes of clients that read too slowly.",
		"It is memory: towards the node's, lower the outbox bound or cut slow clients sooner.", "gateway")
	handshakes = counter("ringdown_handshakes_total", "Opening handshakes of connections on the event loops, by whether they were `accepted` or `failed`.",
		"Failed ones: proxies that do not pass Upgrade, foreign origins, scanners; the log says which.", "gateway", "result")
	slowHandlers = counter("ringdown_slow_handlers_total", "Times that a handler held an event loop up for longer than it may.",
		"Any rise delays every client of that loop: the log names the client; use a profile.", "gateway")
	loopLag = gauge("ringdown_loop_lag_max_seconds", "Longest time that an event loop was found busy with one round since the start, in steps of 0.1 seconds.",
		"Above 0.1: the machine is too small, is throttled, or a handler waits.", "gateway")

	engineSessions = gauge("ringdown_engineio_sessions", "Engine.IO connections of Socket.IO clients, over polling and over WebSockets.",
		"Far above the sessions of the protocol `socket.io`: clients connect and then say nothing, or are refused.")
	engineRefused = counter("ringdown_engineio_refused_total", "Requests of Engine.IO that were refused: an unknown session, transport or version, a foreign origin.",
		"A rise after a restart is clients that come back. A steady one: polling requests reach other nodes (sticky sessions are missing), or clients of version 2.")
	engineUpgraded = counter("ringdown_engineio_upgraded_total", "Connections that went over from polling to a WebSocket.",
		"Zero while clients poll: a proxy does not pass Upgrade.")
	enginePolled = counter("ringdown_engineio_polled_messages_total", "Messages that came with the POST requests of polling.",
		"As with upgrades: much of it means that WebSockets do not get through.")
	engineEnded = counter("ringdown_engineio_ended_total", "Engine.IO connections that the server ended, by cause: `ping_timeout`, `parse_error`, `too_large` or `slow_consumer`.",
		"`ping_timeout`: networks that drop lines. `parse_error`: clients that speak something else. `too_large`: raise `limits.message_size`, or send less; the log has the sizes.", "cause")
	socketsKept = gauge("ringdown_socketio_kept", "Socket.IO clients that are away and may still go on where they were.",
		"Steadily high: clients have bad networks; it is memory.")
	socketsBack = counter("ringdown_socketio_recoveries_total", "Socket.IO clients that came back with a claim to what they had missed, by whether they got it.",
		"`recovered=\"false\"`: they were away for longer than `socketio.recovery` or than history is kept, or are in a channel without history.", "recovered")

	historyBytes = gauge("ringdown_history_bytes", "What the memory broker is charged for all that it keeps, in bytes.",
		"At its bound publications go before their time: raise the bound or keep less.")
	historyMaxBytes = gauge("ringdown_history_max_bytes", "The bound of that.", "It moves by configuration only.")
	brokerChannels  = gauge("ringdown_broker_channels", "Channels that the memory broker knows.", "Far above `ringdown_channels`: names are used once and kept; lower their retention's age.")
	evicted         = counter("ringdown_history_evicted_total", "Publications that the memory broker forgot before their time because of the bound.",
		"Any rise shortens recovery: raise the bound or keep less.")

	brokerUp = gauge("ringdown_broker_up", "1 while the broker between the nodes can be used, otherwise 0.",
		"0: publications are refused or wait; look at the broker and the way to it. Clients stay, and are healed when it is back.")
	brokerLinks = gauge("ringdown_broker_links", "Connections over which publications come from the broker: `connected`, or `broken` while they are made anew.",
		"Any `broken`: its channels hear nothing; they are healed from history when it is back.", "state")
	brokerReconnects = counter("ringdown_broker_reconnects_total", "Connections to the broker that were made anew.",
		"A steady rise: the network or the broker cuts them; look at its log.")
	brokerLatency = gauge("ringdown_broker_latency_seconds", "Time of one call to the broker, at the last heartbeat, of the slowest server.",
		"Above 0.01 within a data centre: the broker is busy or far away.")
	brokerWaiting = gauge("ringdown_broker_waiting", "Publications that have come from the broker and are not handed to clients yet.",
		"A steady rise: this node gets more than it can deliver; add one.")
	brokerPublishing = gauge("ringdown_broker_publishing", "Publications that are on their way to the broker.",
		"A steady rise: the broker is slower than what is published.")
	brokerPublishes = counter("ringdown_broker_publishes_total", "Publications that the broker was given, by what became of them: `done` or `failed`.",
		"`failed`: publishers were refused, or do not know; the broker was away for longer than `broker.publish_wait`.", "result")
	brokerRetries = counter("ringdown_broker_retries_total", "Attempts to publish beyond the first.",
		"A rise without an outage: the broker is overloaded.")
	brokerInterrupts = counter("ringdown_broker_interruptions_total", "Times that deliveries of a channel, or of all, may have been missed, so that the history was asked.",
		"Outside of an outage: the connection to the broker loses messages.")

	apiSeconds = histogram("ringdown_api_request_seconds", "Time to answer requests to the server API, by operation and status.",
		"Slow `publish`: a very large channel, or the broker. Status 5xx: see the log.", "operation", "status")
	hookSeconds = histogram("ringdown_hook_seconds", "Time of calls to the backend's hooks, by hook and outcome: `allowed`, `denied`, `failed`, `skipped` (the circuit breaker, or too many under way) or `abandoned` (the client did not wait).",
		"`failed` and `skipped` refuse clients: the backend is slow or away.", "hook", "outcome")
	breakers = gauge("ringdown_hook_breakers", "Hooks by the state of their circuit breaker: `closed`, `open` or `half-open`.",
		"Any `open`: the backend failed half of its requests and is left alone; the log names the hook.", "state")
	hookRequests = gauge("ringdown_hook_requests", "Requests of hooks that are `under_way`, or `waiting` for a place among them.",
		"Steady `waiting`: the backend is slower than clients come; make it faster.", "stage")

	eventsWaiting = gauge("ringdown_events_waiting", "Events that wait until the backend has them.",
		"A steady rise: it does not take them; look at `ringdown_events_failures_total` and the log.")
	eventsWaitingBytes = gauge("ringdown_events_waiting_bytes", "What they take, in bytes, of memory or of files.",
		"Towards `backend.events.max_bytes`: beyond it the oldest are dropped.")
	eventsDelivered = counter("ringdown_events_delivered_total", "Events that the backend has acknowledged.",
		"Zero while clients come and go: see the failures.")
	eventsLost = counter("ringdown_events_lost_total", "Events that were dropped, because more waited than may or the disk failed.",
		"Any rise: the backend's picture of who is there is wrong until it asks the API.")
	eventsFailures = counter("ringdown_events_failures_total", "Batches of events that were not acknowledged, and are sent again.",
		"A rise: the backend is away, or refuses them; the log says why.")

	limited = counter("ringdown_limited_total", "Times that a limit was crossed, by its name as in docs/security.md.",
		"`session` and `user`: a client that does too much; `address`: an attack, or many behind one address; `node` and `in_all`: the node's own bound.", "limit")

	spans = counter("ringdown_trace_spans_total", "Spans of traces that are kept.",
		"Far above those that are `sent`: more than the collector takes, and the rest is dropped; lower `tracing.ratio`.")
	spansExported = counter("ringdown_trace_spans_exported_total", "Spans by what became of them: `sent`, or `failed` because the collector was away or refused them.",
		"`failed`: look whether the collector runs; the log says why.", "result")
)

// Doc is a line of the table, for documentation.
type Doc struct {
	Name, Type, Means, Action string
	Labels                    []string
}

// Docs is the table, in the order in which it is documented.
func Docs() []Doc {
	all := make([]Doc, 0, len(table))
	for _, m := range table {
		d := Doc{Name: m.name, Type: "gauge", Means: m.means, Action: m.action, Labels: m.labels}
		switch {
		case m.hist:
			d.Type = "histogram"
		case m.kind == prometheus.CounterValue:
			d.Type = "counter"
		}
		all = append(all, d)
	}
	return all
}
