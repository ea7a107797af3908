//go:build linux

// Nodes with a NATS server each, and nothing else.

package restart

import (
	"net"
	"strings"
	"testing"
)

// routes are addresses for so many nodes' servers.
func routes(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, "nats://"+l.Addr().String())
	}
	return all
}

// launchOwn launches the node whose address is that of index i: on one machine it is the first that counts.
func launchOwn(t *testing.T, all []string, i int, address, dir string) *process {
	t.Helper()
	own := append(append([]string{}, all[i:]...), all[:i]...)
	return launch(t, address, "--cluster", strings.Join(own, ","), "--set", "broker.embedded.dir="+dir, "--set", "drain.window="+window.String())
}

// Each is killed in turn, and returns to what it had stored; in between the other two must have everything, so in the end what the last one
// killed does not have would be missing.
func TestNothingIsLostWhenNodesThatHaveNothingButEachOtherAreKilled(t *testing.T) {
	all, dir := routes(t, 3), t.TempDir()
	var nodes []*process
	for i := range all {
		nodes = append(nodes, launchOwn(t, all, i, "127.0.0.1:0", dir))
	}
	for _, n := range nodes {
		n.listens(t)
	}
	f := begin(t, balance(t, nodes...), 3)
	for i := range 2 {
		f.writers.until(t, publishers*items*(2*i+1)/8)
		nodes[i].kill(t)
		f.writers.until(t, publishers*items*(2*i+2)/8)
		nodes[i] = launchOwn(t, all, i, nodes[i].address, dir)
		nodes[i].listens(t)
		eventually(t, "the node that is back is ready", func() bool {
			var text string
			return nodes[i].ask(t, "GET", "/readyz", "", &text) == 200
		})
	}
	f.settle()
	for _, n := range nodes {
		n.stop(t)
	}
}
