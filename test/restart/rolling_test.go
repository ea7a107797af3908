//go:build linux

package restart

import (
	"context"
	"testing"
)

// newPatience is a context for a whole test.
func newPatience(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 2*patience)
}

func TestNothingIsLostWhenThreeNodesAreRestartedOneAfterTheOther(t *testing.T) {
	broker := redis(t)
	nodes := []*process{
		join(t, "a", "127.0.0.1:0", broker.URL()), join(t, "b", "127.0.0.1:0", broker.URL()), join(t, "c", "127.0.0.1:0", broker.URL()),
	}
	f := begin(t, balance(t, nodes...), 6)
	for i, name := range []string{"a", "b", "c"} {
		f.writers.until(t, publishers*items*(i+1)/8)
		nodes[i].stop(t)
		nodes[i] = join(t, name, nodes[i].address, broker.URL())
	}
	f.settle()
	for _, node := range nodes {
		node.stop(t)
	}
}

func TestNothingIsLostWhenRedisStumbles(t *testing.T) {
	broker := redis(t)
	a, b := join(t, "a", "127.0.0.1:0", broker.URL()), join(t, "b", "127.0.0.1:0", broker.URL())
	f := begin(t, balance(t, a, b), 4)
	ready := func(want int) func() bool {
		return func() bool {
			var text string
			return a.ask(t, "GET", "/readyz", "", &text) == want && b.ask(t, "GET", "/readyz", "", &text) == want
		}
	}
	f.writers.until(t, publishers*items/8)
	broker.Kill()
	eventually(t, "no node is ready", ready(503))
	broker.Start()
	eventually(t, "the nodes are ready again", ready(200))
	f.writers.until(t, publishers*items/3)
	broker.Freeze()
	eventually(t, "no node is ready", ready(503))
	broker.Thaw()
	eventually(t, "the nodes are ready again", ready(200))
	f.settle()
}

func TestNothingIsLostWhenANodeIsKilled(t *testing.T) {
	broker := redis(t)
	a, b := join(t, "a", "127.0.0.1:0", broker.URL()), join(t, "b", "127.0.0.1:0", broker.URL())
	f := begin(t, balance(t, a, b), 4)
	f.writers.until(t, publishers*items/4)
	b.cmd.Process.Kill()
	<-b.logged
	f.settle()
}
