//go:build linux

// The same over Redis, between whose nodes there is a network.

package socketio_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/ringdown/ringdown/broker/redis"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/cluster"
	"github.com/ringdown/ringdown/test/servers"
)

// overRedis returns what adds a node to those that share a Redis.
func overRedis(t *testing.T) func(name string) *node {
	server := servers.StartRedis(t, servers.RedisOptions{})
	return func(name string) *node {
		quiet := slog.New(slog.DiscardHandler)
		b, err := redis.New(redis.Options{URL: server.URL(), Node: name, Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		c := cluster.New(b, cluster.Options{Timeout: patience, Log: quiet})
		o := socketio.Options{Cluster: c.Line("socketio"), Recovery: &socketio.Recovery{Store: c}}
		h, err := hub.New(hub.Options{Broker: c, Rules: history, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Shutdown(context.Background()) })
		return over(t, h, o)
	}
}

func TestAClientGoesFromNodeToNodeOverRedis(t *testing.T) { wander(t, overRedis(t)) }

func TestSocketsAreReachedOverRedis(t *testing.T) {
	build := overRedis(t)
	one, other := build("one"), build("other")
	connect := func(n *node) (*peer, accepted) {
		n.OnConnection(answering(nil))
		p := n.dial(t)
		return p, p.connect("/", "")
	}
	p, _ := connect(one)
	q, b := connect(other)
	if err := one.SocketsJoin("room"); err != nil {
		t.Error(err)
	}
	all, err := other.In("room").FetchSockets(t.Context())
	if err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	c := asking(t.Context(), one.In("room"))
	p.answer(`[1]`)
	q.answer(`[2]`)
	if got := await(t, c); got.err != nil || len(got.replies) != 2 {
		t.Errorf("%+v", got)
	}
	if err := one.To(b.SID).DisconnectSockets(false); err != nil {
		t.Error(err)
	}
	q.expect("41")
	if _, err := other.To(b.SID).EmitWithAck(t.Context(), "q"); err != nil {
		t.Errorf("nobody is asked: %v", err)
	}
}
