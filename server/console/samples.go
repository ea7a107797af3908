// Samples: once a second what the node counts, the last ten minutes of which are kept for the charts.

package console

import (
	"net/http"
	"runtime/metrics"
	"time"
)

// keptSamples are ten minutes of them.
const (
	keptSamples = 600
	sampleEvery = time.Second
)

// Counters are what gateways count, since the start but for Connections.
type Counters struct {
	Connections map[string]int // that ride on others than the hub's transports; taken off those of "engine.io"
	MessagesIn  uint64
	BytesIn     uint64
	BytesOut    uint64
}

// Sample is the node at one moment. Counters are since its start.
type Sample struct {
	Time          stamp          `json:"time"`
	Connections   map[string]int `json:"connections"` // open now, by transport
	Sessions      int            `json:"sessions"`
	Channels      int            `json:"channels"`
	Subscriptions int            `json:"subscriptions"`
	MessagesIn    uint64         `json:"messages_in"`  // whole messages from clients
	MessagesOut   uint64         `json:"messages_out"` // publications handed to clients; answers and notices are not among them
	BytesIn       uint64         `json:"bytes_in"`     // payload, inflated
	BytesOut      uint64         `json:"bytes_out"`    // written to the lines
	Publications  uint64         `json:"publications"`
	Deliveries    uint64         `json:"deliveries"` // handed over at once or later
	Drops         uint64         `json:"drops"`      // publications that slow clients did not get, conflated ones included
	Gaps          uint64         `json:"gaps"`       // told to clients
	Refusals      uint64         `json:"refusals"`
	Ended         uint64         `json:"ended"`            // sessions that stayed and have ended, for whatever cause
	LoopLag       float64        `json:"loop_lag_seconds"` // how long the slowest event loop took to come to something new
	Memory        uint64         `json:"memory_bytes"`     // that the process holds of the machine's; 0 if the system does not tell
	Heap          uint64         `json:"heap_bytes"`       // live and not yet swept objects
	Goroutines    uint64         `json:"goroutines"`
	CPU           float64        `json:"cpu_seconds"` // that the process has used
}

// sample takes samples until the handler is closed.
func (c *Handler) sample() {
	defer close(c.done)
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		c.samples.put(c.now())
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
	}
}

// now is the node as it is.
func (c *Handler) now() Sample {
	n := c.hub.Stats()
	s := Sample{
		Time: stamp{time.Now()}, Connections: make(map[string]int), Channels: n.Channels, Subscriptions: n.Subscriptions,
		MessagesOut: n.Deliveries + n.CaughtUp, Publications: n.Publications, Deliveries: n.Deliveries + n.CaughtUp,
		Drops: n.Dropped + n.Conflated, Gaps: n.Gaps,
	}
	for _, sort := range n.Sessions {
		s.Sessions += sort.Sessions
		s.Connections[sort.Transport] += sort.Sessions
	}
	for _, times := range n.Refusals {
		s.Refusals += times
	}
	for _, times := range n.Disconnects {
		s.Ended += times
	}
	if c.options.Counters != nil {
		counters := c.options.Counters()
		s.MessagesIn, s.BytesIn, s.BytesOut = counters.MessagesIn, counters.BytesIn, counters.BytesOut
		for transport, connections := range counters.Connections {
			s.Connections[transport] = connections
		}
		if counters.Connections != nil {
			delete(s.Connections, "engine.io") // they are counted by what they ride on
		}
	}
	if c.options.Lag != nil {
		s.LoopLag = c.options.Lag(c.ctx).Seconds()
	}
	s.Memory, s.CPU = process()
	s.Heap, s.Goroutines = runtimeNow()
	return s
}

// runtimeNow asks the runtime for what can be had without stopping anything.
func runtimeNow() (heap, goroutines uint64) {
	asked := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(asked)
	values := make([]uint64, len(asked))
	for i := range asked {
		if asked[i].Value.Kind() == metrics.KindUint64 {
			values[i] = asked[i].Value.Uint64()
		}
	}
	return values[0], values[1]
}

func (c *Handler) streamSamples(w http.ResponseWriter, r *request) error {
	return stream(c, w, r, c.samples)
}
