//go:build linux

package rabbitmq_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/rabbitmq"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// brittle makes nodes that soon notice that something is wrong. Each second one of others is for a node behind a link.
func brittle(t *testing.T, wait time.Duration, urls ...string) func() hub.Broker {
	return brittleWith(t, options(""), wait, urls...)
}

// brittleWith is brittle, of one deployment.
func brittleWith(t *testing.T, o rabbitmq.Options, wait time.Duration, urls ...string) func() hub.Broker {
	o.Timeout, o.Expiry, o.PublishWait = 2*time.Second, 3*time.Second, wait
	started := 0
	return func() hub.Broker {
		o.URL = urls[started%len(urls)]
		started++
		return newBroker(t, o)
	}
}

// All of this shares a server, because it takes long to start.
func TestWhenTheServerStumbles(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t)
	start(t, options(r.URL())).Close() // declares the first streams
	r.Settle()
	t.Run("two hubs are one while it dies and comes back", func(t *testing.T) { twoHubs(t, r) })
	t.Run("it is short of memory, which is told and waited for", func(t *testing.T) { shortOfMemory(t, r) })
	type begin = func(t *testing.T) (func() hub.Broker, func(), func())
	alone := func(wait time.Duration, strike, mend func()) begin {
		return func(t *testing.T) (func() hub.Broker, func(), func()) { return brittle(t, wait, r.URL()), strike, mend }
	}
	linked := func(strike func(l *servers.Link)) begin {
		return func(t *testing.T) (func() hub.Broker, func(), func()) {
			l := servers.NewLink(t, r.Addr)
			return brittle(t, 0, r.URL(), r.URLAt(l.Addr)), func() { strike(l) }, l.Mend
		}
	}
	frozen := func() { r.Freeze(); time.Sleep(5 * time.Second) }
	brokertest.RunFaults(t, []brokertest.Fault{
		{Name: "it is killed and comes back with what it had", Begin: alone(0, r.Kill, r.Start)},
		{Name: "it is killed, and publishers wait for it", Begin: alone(patience, r.Kill, r.Start)},
		{Name: "it stands still for longer than is waited", Begin: alone(0, frozen, r.Thaw)},
		{Name: "it stands still, and publishers wait for it", Begin: alone(patience, frozen, r.Thaw)},
		{Name: "a node is cut off", Begin: linked((*servers.Link).Cut), Others: true},
		{Name: "a node hears nothing for longer than it waits", Begin: linked(func(l *servers.Link) { l.Stall(); time.Sleep(8 * time.Second) }), Others: true},
		{Name: "the logs are deleted", Loses: true, Begin: func(t *testing.T) (func() hub.Broker, func(), func()) {
			o := options("")
			return brittleWith(t, o, patience, r.URL()), func() { deleteLogs(t, r, o.Prefix) }, func() {}
		}},
	})
}

// deleteLogs deletes the logs of one deployment.
func deleteLogs(t *testing.T, r *servers.RabbitMQ, prefix string) {
	t.Helper()
	ch := dial(t, r)
	for i := range 4 {
		if _, err := ch.QueueDelete(fmt.Sprint(prefix, ".log.", i), false, false, false); err != nil {
			t.Fatal(err)
		}
	}
}

// While RabbitMQ is short of memory it takes nothing. Whoever waits is published afterwards, once; reading and Health go on.
func shortOfMemory(t *testing.T, r *servers.RabbitMQ) {
	o := options(r.URL())
	b := start(t, o)
	o.PublishWait = patience
	patient := start(t, o)
	publish := func(b *rabbitmq.Broker, text string) error {
		_, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte(text)}, hub.Storing{Retention: hub.Retention{Count: 100}})
		return err
	}
	if err := publish(b, "before"); err != nil {
		t.Fatal(err)
	}
	r.Do(`vm_memory_monitor:set_vm_memory_high_watermark(0.0)`)
	// RabbitMQ tells a connection only once it publishes.
	eventually(t, "the alarm is told", func() bool {
		publishSoon(b, "noticed")
		return b.Stats().Blocked
	})
	if err := publish(b, "refused"); err == nil || !strings.Contains(err.Error(), "short of memory") {
		t.Errorf("published during an alarm: %v", err)
	}
	if err := b.Health(); err == nil || !strings.Contains(err.Error(), "short of memory") {
		t.Errorf("during an alarm it is said to be %v", err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := publish(patient, "waited"); err != nil {
			t.Errorf("waiting for the end of the alarm: %v", err)
		}
	})
	r.Do(`vm_memory_monitor:set_vm_memory_high_watermark(0.4)`)
	waiting.Wait()
	eventually(t, "it publishes again", func() bool { return publish(b, "after") == nil })
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 100, Retention: hub.Retention{Count: 100}})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, p := range h.Publications {
		seen[string(p.Payload)]++
	}
	if seen["waited"] != 1 || seen["refused"] != 0 {
		t.Errorf("the history holds %v", seen)
	}
}
