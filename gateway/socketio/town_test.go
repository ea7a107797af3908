// Nodes in one process: each has a hub of its own, they share a broker in memory, and talk by package server/cluster.

package socketio_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/cluster"
)

// town is the broker, and what can go wrong between nodes.
type town struct {
	*memory.Broker
	begin   sync.Once
	timeout time.Duration // of questions to nodes

	mu    sync.Mutex // guards what follows
	sinks map[string]hub.Sink
	order []string        // of the sinks
	deaf  map[string]bool // nodes to which nothing is told
}

func newTown() *town {
	return &town{Broker: memory.New(memory.Options{}), timeout: patience, sinks: make(map[string]hub.Sink), deaf: make(map[string]bool)}
}

// each calls f with every node.
func (w *town) each(f func(name string, s hub.Sink)) {
	w.mu.Lock()
	names, sinks := slices.Clone(w.order), make([]hub.Sink, 0, len(w.order))
	for _, name := range names {
		sinks = append(sinks, w.sinks[name])
	}
	w.mu.Unlock()
	for i, name := range names {
		f(name, sinks[i])
	}
}

func (w *town) Deliver(p *hub.Publication) {
	w.each(func(_ string, s hub.Sink) { s.Deliver(p) })
}
func (w *town) Present(e hub.PresenceEvent) { w.each(func(_ string, s hub.Sink) { s.Present(e) }) }
func (w *town) Interrupted(channel string) {
	w.each(func(_ string, s hub.Sink) { s.Interrupted(channel) })
}

// silence has nothing more told to a node, or again.
func (w *town) silence(name string, deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf[name] = deaf
}

// house is a node's way to the town.
type house struct {
	*town
	name string
}

func (h house) Start(s hub.Sink) (err error) {
	h.begin.Do(func() { err = h.Broker.Start(h.town) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sinks[h.name] = s
	h.order = append(h.order, h.name)
	return err
}
func (house) Unsubscribe(string) {} // others may be subscribed
func (h house) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sinks, h.name)
	h.order = slices.DeleteFunc(h.order, func(name string) bool { return name == h.name })
	return nil
}
func (h house) Node() string { return h.name }
func (h house) Tell(_ context.Context, to string, text []byte) error {
	h.each(func(name string, s hub.Sink) {
		h.mu.Lock()
		deaf := h.deaf[name]
		h.mu.Unlock()
		if (name == to || to == "" && name != h.name) && !deaf {
			s.(hub.ClusterSink).Told(h.name, bytes.Clone(text))
		}
	})
	return nil
}
func (h house) Nodes(context.Context) (all []hub.Node, err error) {
	h.each(func(name string, _ hub.Sink) { all = append(all, hub.Node{Name: name}) })
	return all, nil
}
func (house) Announce([]byte)                                             {}
func (house) Keep(context.Context, string, []byte, time.Duration) error   { return nil }
func (house) Take(context.Context, string) (v []byte, ok bool, err error) { return nil, false, nil }

// build adds a node.
func (w *town) build(t *testing.T, name string, o socketio.Options) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	c := cluster.New(house{w, name}, cluster.Options{Timeout: w.timeout, Log: quiet})
	o.Cluster = c.Line("socketio")
	h, err := hub.New(hub.Options{Broker: c, Rules: history, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	return over(t, h, o)
}

// impatient is a town whose nodes hardly wait for each other.
func impatient() *town {
	w := newTown()
	w.timeout = 200 * time.Millisecond
	return w
}

// neighbours are two nodes.
func neighbours(t *testing.T, o func() socketio.Options) (w *town, one, other *node) {
	w = newTown()
	return w, w.build(t, "one", o()), w.build(t, "other", o())
}
