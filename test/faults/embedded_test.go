//go:build linux

// Nodes with a NATS server each, and nothing else.

package faults

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/test/simulation"
)

// routes are addresses for so many nodes' servers.
func routes(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		all = append(all, "nats://"+servers.FreeAddress(t))
	}
	return all
}

// launchOwn launches the node whose address is that of index i: on one machine it is the first that counts.
func launchOwn(t *testing.T, all []string, i int, address, dir string) *process {
	t.Helper()
	own := append(append([]string{}, all[i:]...), all[:i]...)
	return launch(t, address, "--cluster", strings.Join(own, ","), "--set", "broker.embedded.dir="+dir, "--set", "drain.window=1s")
}

// Each is killed in turn, and returns to what it had stored; in between the other two must have everything, so in the end what the last one
// killed does not have would be missing.
func TestNothingIsLostWhenNodesThatHaveNothingButEachOtherAreKilled(t *testing.T) {
	t.Parallel()
	all, dir := routes(t, 3), t.TempDir()
	f := &fleet{t: t}
	for i := range all {
		f.nodes = append(f.nodes, launchOwn(t, all, i, "127.0.0.1:0", dir))
	}
	for _, n := range f.nodes {
		n.listens(t)
	}
	f.traffic = begin(t, balance(t, f.nodes...).address(), len(channels), simulation.Raw, simulation.Native, simulation.SSE, simulation.LongPoll, goClient, socketIO)
	for i := range 2 {
		f.under(t, func() {
			f.nodes[i].kill(t)
			f.writers.until(t, f.writers.count()+enough)
			f.nodes[i] = launchOwn(t, all, i, f.nodes[i].address, dir)
			f.nodes[i].listens(t)
			f.ready(t, 200, f.nodes[i])
		})
	}
	f.stop(t)
}
