//go:build linux

package nats_test

import (
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// brittle makes nodes that soon notice that something is wrong. Each second one of others is for a node behind a link.
func brittle(t *testing.T, urls ...string) func() hub.Broker {
	o := options("")
	o.Timeout, o.Expiry = 2*time.Second, 3*time.Second
	started := 0
	return func() hub.Broker {
		o.URL = urls[started%len(urls)]
		started++
		return newBroker(t, o)
	}
}

func alone(fault func(s *servers.NATS) (strike, mend func())) func(t *testing.T) (func() hub.Broker, func(), func()) {
	return func(t *testing.T) (func() hub.Broker, func(), func()) {
		s := servers.StartNATS(t, "")
		strike, mend := fault(s)
		return brittle(t, s.URL()), strike, mend
	}
}

// linked puts a link in front of all nodes but the first.
func linked(fault func(l *servers.Link) func()) func(t *testing.T) (func() hub.Broker, func(), func()) {
	return func(t *testing.T) (func() hub.Broker, func(), func()) {
		s := servers.StartNATS(t, "")
		l := servers.NewLink(t, s.Addr)
		return brittle(t, s.URL(), "nats://"+l.Addr), fault(l), l.Mend
	}
}

func TestWhenTheServerStumbles(t *testing.T) {
	t.Parallel()
	brokertest.RunFaults(t, []brokertest.Fault{
		{Name: "it is killed and comes back with what it had", Begin: alone(func(s *servers.NATS) (func(), func()) { return s.Kill, s.Start })},
		{Name: "it is killed and comes back with nothing", Loses: true, Begin: alone(func(s *servers.NATS) (func(), func()) {
			return func() { s.Kill(); s.Forget() }, s.Start
		})},
		{Name: "it stands still for longer than is waited", Begin: alone(func(s *servers.NATS) (func(), func()) {
			return func() { s.Freeze(); time.Sleep(5 * time.Second) }, s.Thaw
		})},
		{Name: "a node is cut off", Begin: linked(func(l *servers.Link) func() { return l.Cut }), Others: true},
		{Name: "a node hears nothing for longer than it waits", Begin: linked(func(l *servers.Link) func() {
			return func() { l.Stall(); time.Sleep(5 * time.Second) }
		}), Others: true},
	})
}
