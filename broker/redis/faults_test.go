//go:build linux

package redis_test

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

func alone(durable bool, fault func(r *servers.Redis) (strike, mend func())) func(t *testing.T) (func() hub.Broker, func(), func()) {
	return func(t *testing.T) (func() hub.Broker, func(), func()) {
		r := servers.StartRedis(t, servers.RedisOptions{Durable: durable})
		strike, mend := fault(r)
		return brittle(t, r.URL()), strike, mend
	}
}

// linked puts a link in front of all nodes but the first.
func linked(fault func(l *servers.Link) func()) func(t *testing.T) (func() hub.Broker, func(), func()) {
	return func(t *testing.T) (func() hub.Broker, func(), func()) {
		r := servers.StartRedis(t, servers.RedisOptions{})
		l := servers.NewLink(t, r.Addr)
		return brittle(t, r.URL(), "redis://"+l.Addr), fault(l), l.Mend
	}
}

func TestWhenTheServerStumbles(t *testing.T) {
	t.Parallel()
	killed := func(r *servers.Redis) (func(), func()) { return r.Kill, r.Start }
	brokertest.RunFaults(t, []brokertest.Fault{
		{Name: "it is killed and comes back with what it had", Begin: alone(true, killed)},
		{Name: "it is killed and comes back with nothing", Begin: alone(false, killed), Loses: true},
		{Name: "it is flushed", Begin: alone(false, func(r *servers.Redis) (func(), func()) { return r.Flush, func() {} }), Loses: true},
		{Name: "it stands still for longer than is waited", Begin: alone(false, func(r *servers.Redis) (func(), func()) {
			return func() { r.Freeze(); time.Sleep(5 * time.Second) }, r.Thaw
		})},
		{Name: "a node is cut off", Begin: linked(func(l *servers.Link) func() { return l.Cut }), Others: true},
		{Name: "a node hears nothing for longer than it waits", Begin: linked(func(l *servers.Link) func() {
			return func() { l.Stall(); time.Sleep(5 * time.Second) }
		}), Others: true},
	})
}

func TestWhenAMasterOfAClusterStumbles(t *testing.T) {
	t.Parallel()
	begin := func(fault func(r *servers.Redis) (func(), func())) func(t *testing.T) (func() hub.Broker, func(), func()) {
		return func(t *testing.T) (func() hub.Broker, func(), func()) {
			c := servers.StartRedisCluster(t, 3)
			var strikes, mends []func()
			for _, r := range c[1:] {
				strike, mend := fault(r)
				strikes, mends = append(strikes, strike), append(mends, mend)
			}
			return brittle(t, c.URL()), func() { each(strikes) }, func() { each(mends) }
		}
	}
	brokertest.RunFaults(t, []brokertest.Fault{
		{Name: "two of three are killed and come back with what they had", Begin: begin(func(r *servers.Redis) (func(), func()) { return r.Kill, r.Start })},
	})
}

func TestWhenSentinelsFailOver(t *testing.T) {
	t.Parallel()
	brokertest.RunFaults(t, []brokertest.Fault{
		{Name: "the master is killed", Loses: true, Begin: func(t *testing.T) (func() hub.Broker, func(), func()) {
			s := servers.StartSentinels(t)
			return brittle(t, s.URL()), s.Servers[0].Kill, func() { s.AwaitMaster(s.Servers[1]) }
		}},
	})
}

func each(all []func()) {
	for _, f := range all {
		f()
	}
}
