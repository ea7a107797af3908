package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/cluster"
)

// registrar is a broker with a registry that can hang.
type registrar struct {
	*memory.Broker
	mu    sync.Mutex // guards what follows
	hangs bool
	asked int
}

func (*registrar) Node() string                                              { return "a" }
func (*registrar) Tell(context.Context, string, []byte) error                { return nil }
func (*registrar) Announce([]byte)                                           {}
func (*registrar) Keep(context.Context, string, []byte, time.Duration) error { return nil }
func (*registrar) Take(context.Context, string) (v []byte, ok bool, err error) {
	return nil, false, nil
}
func (r *registrar) Nodes(ctx context.Context) ([]hub.Node, error) {
	r.mu.Lock()
	r.asked++
	hangs := r.hangs
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, errors.New("away")
	}
	return []hub.Node{{Name: "b", Info: []byte(`{"address":"10.0.0.2:7946"}`)}}, nil
}

// Clients name any node they like; those of a node that is known do not wait behind them while the broker hangs.
func TestWhereNodesAreIsAskedOnceAndKnownWhileTheBrokerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registrar{Broker: memory.New(memory.Options{})}
		p := &peers{Cluster: cluster.New(r, cluster.Options{Log: slog.New(slog.DiscardHandler)})}
		find := func(node, want string) {
			t.Helper()
			if address, _ := p.address(t.Context(), node); address != want {
				t.Errorf("%s is at %q, want %q", node, address, want)
			}
		}
		find("b", "10.0.0.2:7946")
		r.mu.Lock()
		r.hangs, r.asked = true, 0
		r.mu.Unlock()
		time.Sleep(time.Minute)
		began := time.Now()
		var asking sync.WaitGroup
		for range 100 {
			asking.Go(func() { find("nobody", "") })
			asking.Go(func() { find("b", "10.0.0.2:7946") })
		}
		asking.Wait()
		if took := time.Since(began); took != directoryWait || r.asked != 1 {
			t.Errorf("200 requests took %v and asked the broker %d times", took, r.asked)
		}
		time.Sleep(time.Second)
		asking.Go(func() { find("nobody", "") })
		synctest.Wait()
		began = time.Now()
		find("b", "10.0.0.2:7946")
		if took := time.Since(began); took > 0 {
			t.Errorf("a known node took %v while the broker is away", took)
		}
		asking.Wait()
	})
}
