// Collecting: what the parts of a node have counted becomes metrics.

package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/websocket/loop"
)

// collector implements [prometheus.Collector].
type collector struct {
	sources Sources
	descs   map[*metric]*prometheus.Desc // not of histograms, which are collectors themselves
}

func newCollector(s Sources) *collector {
	c := &collector{sources: s, descs: make(map[*metric]*prometheus.Desc, len(table))}
	for _, m := range table {
		if !m.hist {
			c.descs[m] = prometheus.NewDesc(m.name, m.means, m.labels, nil)
		}
	}
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	put := func(m *metric, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.descs[m], m.kind, value, labels...)
	}
	put(buildInfo, 1, c.sources.Version)
	ready := 1.0
	if c.sources.Ready != nil && !c.sources.Ready() {
		ready = 0
	}
	put(readyNow, ready)
	putHub(put, c.sources.Hub.Stats())
	for name, stats := range c.sources.Loops {
		putLoop(put, name, stats())
	}
	if c.sources.SocketIO != nil {
		putSocketIO(put, c.sources.SocketIO())
	}
	if c.sources.Store != nil {
		n := c.sources.Store()
		put(historyBytes, float64(n.Bytes))
		put(historyMaxBytes, float64(n.MaxBytes))
		put(brokerChannels, float64(n.Channels))
		put(evicted, float64(n.Evicted))
	}
	if c.sources.Broker != nil {
		putBroker(put, c.sources.Broker(), c.sources.BrokerReady == nil || c.sources.BrokerReady())
	}
	c.putRest(put)
}

func putBroker(put putter, n brokers.Stats, ready bool) {
	up := 0.0
	if ready {
		up = 1
	}
	put(brokerUp, up)
	put(brokerLinks, float64(n.Connected), "connected")
	put(brokerLinks, float64(n.Links-n.Connected), "broken")
	put(brokerReconnects, float64(n.Reconnects))
	put(brokerLatency, n.Latency.Seconds())
	put(brokerWaiting, float64(n.Waiting))
	put(brokerPublishing, float64(n.Publishing))
	put(brokerPublishes, float64(n.Published), "done")
	put(brokerPublishes, float64(n.Failed), "failed")
	put(brokerRetries, float64(n.Retried))
	put(brokerInterrupts, float64(n.Interrupts))
}

// putRest is of what a node need not have.
func (c *collector) putRest(put putter) {
	if c.sources.Endpoints != nil {
		putEndpoints(put, c.sources.Endpoints())
	}
	if c.sources.Events != nil {
		n := c.sources.Events()
		put(eventsWaiting, float64(n.Waiting))
		put(eventsWaitingBytes, float64(n.Bytes))
		put(eventsDelivered, float64(n.Delivered))
		put(eventsLost, float64(n.Lost))
		put(eventsFailures, float64(n.Failures))
	}
	if c.sources.Limited != nil {
		for limit, times := range c.sources.Limited() {
			put(limited, float64(times), limit)
		}
	}
	if c.sources.Traces != nil {
		n := c.sources.Traces()
		put(spans, float64(n.Ended))
		put(spansExported, float64(n.Sent), "sent")
		put(spansExported, float64(n.Failed), "failed")
	}
}

func putEndpoints(put putter, all []backend.Endpoint) {
	var states [backend.HalfOpen + 1]int
	underWay, waits := 0, 0
	for _, e := range all {
		states[e.State]++
		underWay += e.UnderWay
		waits += e.Waiting
	}
	for state, hooks := range states {
		put(breakers, float64(hooks), backend.State(state).String())
	}
	put(hookRequests, float64(underWay), "under_way")
	put(hookRequests, float64(waits), "waiting")
}

// putter sends one sample.
type putter func(m *metric, value float64, labels ...string)

func putHub(put putter, n hub.Stats) {
	for _, sort := range n.Sessions {
		put(sessions, float64(sort.Sessions), sort.Transport, sort.Protocol)
	}
	put(sessionsOpened, float64(n.Opened))
	for code, times := range n.Disconnects {
		if code == "" {
			code = "client"
		}
		put(disconnects, float64(times), string(code))
	}
	for code, times := range n.Refusals {
		put(refusals, float64(times), string(code))
	}
	put(channels, float64(n.Channels))
	put(subscriptions, float64(n.Subscriptions))
	put(publications, float64(n.Publications))
	put(publishedBytes, float64(n.PublishedBytes))
	put(duplicates, float64(n.Duplicates))
	put(deliveries, float64(n.Deliveries), "once")
	put(deliveries, float64(n.CaughtUp), "later")
	put(deliveredBytes, float64(n.DeliveredBytes))
	put(drops, float64(n.Dropped), "drop_oldest")
	put(drops, float64(n.Conflated), "conflate")
	put(gaps, float64(n.Gaps))
	put(heals, float64(n.Heals))
	put(recoveries, float64(n.Recovered), strconv.FormatBool(true))
	put(recoveries, float64(n.Unrecovered), strconv.FormatBool(false))
}

func putSocketIO(put putter, n socketio.Stats) {
	put(engineSessions, float64(n.Engine.Sessions))
	put(engineRefused, float64(n.Engine.Refused))
	put(engineUpgraded, float64(n.Engine.Upgraded))
	put(enginePolled, float64(n.Engine.Polled))
	put(engineEnded, float64(n.Engine.PingTimeouts), "ping_timeout")
	put(engineEnded, float64(n.Engine.ParseErrors+n.ParseErrors), "parse_error")
	put(engineEnded, float64(n.Engine.TooLarge), "too_large")
	put(engineEnded, float64(n.Engine.Slow), "slow_consumer")
	put(socketsKept, float64(n.Kept))
	put(socketsBack, float64(n.Recovered), strconv.FormatBool(true))
	put(socketsBack, float64(n.Unrecovered), strconv.FormatBool(false))
}

func putLoop(put putter, gateway string, n loop.Stats) {
	put(connections, float64(n.Connections), gateway)
	put(messagesIn, float64(n.MessagesIn), gateway)
	put(bytesIn, float64(n.BytesIn), gateway)
	put(bytesOut, float64(n.BytesOut), gateway)
	put(writes, float64(n.Writes), gateway)
	put(waiting, float64(n.Waiting), gateway)
	put(handshakes, float64(n.Opened), gateway, "accepted")
	put(handshakes, float64(n.Refused), gateway, "failed")
	put(slowHandlers, float64(n.SlowHandlers), gateway)
	put(loopLag, n.LoopLag.Seconds(), gateway)
}
