//go:build linux

// What may happen to several nodes and to what they share, over each broker.

package faults

import (
	"slices"
	"testing"

	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/test/simulation"
)

// fault is something that happens while readers of all transports read and writers publish.
type fault struct {
	name    string
	happens func(t *testing.T, f *fleet, s *shared, l *servers.Link)
}

// All of it happens to the same nodes, a, b and c, of which c reaches the server by a link.
var faultsOfAll = []fault{
	{"a node is cut off", func(t *testing.T, f *fleet, _ *shared, l *servers.Link) { cutOff(t, f, l.Cut, l.Mend) }},
	{"a node hears nothing", func(t *testing.T, f *fleet, _ *shared, l *servers.Link) { cutOff(t, f, l.Stall, l.Mend) }},
	{"a node stands still", func(t *testing.T, f *fleet, _ *shared, _ *servers.Link) {
		a, b, c := f.nodes[0], f.nodes[1], f.nodes[2]
		b.freeze(t)
		f.known(t, a, c) // to whom b is dead
		f.goesOn(t, a, c)
		b.thaw(t)
	}},
	{"a node is killed", func(t *testing.T, f *fleet, _ *shared, _ *servers.Link) {
		f.nodes[1].kill(t)
		f.goesOn(t, f.nodes[0], f.nodes[2])
		f.rejoin(1)
	}},
	{"the nodes are restarted one after the other", func(t *testing.T, f *fleet, _ *shared, _ *servers.Link) {
		for i, n := range f.nodes {
			n.stop(t)
			f.rejoin(i)
			f.ready(t, 200, f.nodes[i])
		}
	}},
	{"the server stands still", func(t *testing.T, f *fleet, s *shared, _ *servers.Link) {
		s.Freeze()
		f.ready(t, 503, f.nodes...)
		s.Thaw()
	}},
	{"the server is killed and comes back", func(t *testing.T, f *fleet, s *shared, _ *servers.Link) {
		if s.settle != nil {
			s.settle()
		}
		s.Kill()
		f.ready(t, 503, f.nodes...)
		s.Start()
	}},
}

// After this nobody has what was published before, and is told so.
var oblivion = fault{"the server forgets everything", func(_ *testing.T, f *fleet, s *shared, _ *servers.Link) {
	f.forget()
	s.forget()
}}

// cutOff separates c from the server for a while.
func cutOff(t *testing.T, f *fleet, cut, mend func()) {
	t.Helper()
	cut()
	f.ready(t, 503, f.nodes[2])
	f.goesOn(t, f.nodes[0], f.nodes[1])
	mend()
}

func TestOverEachBroker(t *testing.T) {
	for name, start := range brokers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			l := servers.NewLink(t, s.address)
			f := assemble(t, s.flags, s.url(s.address), s.url(s.address), s.url(l.Addr))
			t.Run("what is published on one node is heard on the other", func(t *testing.T) { hearEachOther(t, f) })
			t.Run("a Socket.IO client recovers on another node", func(t *testing.T) { recoverElsewhere(t, f) })
			faults := faultsOfAll
			if s.forget != nil {
				faults = append(slices.Clip(faults), oblivion)
			}
			for _, fault := range faults {
				t.Run(fault.name, func(t *testing.T) {
					f.under(t, func() { fault.happens(t, f, s, l) })
					f.ready(t, 200, f.nodes...)
					f.known(t, f.nodes...)
				})
			}
			f.stop(t)
		})
	}
}

func TestWhenSentinelsFailOver(t *testing.T) {
	t.Parallel()
	s := servers.StartSentinels(t)
	master, replica := s.Servers[0], s.Servers[1]
	f := assemble(t, nil, s.URL(), s.URL(), s.URL())
	for _, n := range f.nodes { // a node that knows nothing of a channel cannot tell that the new master knows too little: docs/brokers.md
		for _, channel := range busy {
			f.read(t, &reader{over: simulation.Native, channel: channel, address: n.address})
		}
	}
	f.under(t, func() {
		f.crowd.until(t, "everybody hears something", func(r *reader) bool { return r.seen() != "" })
		f.forget()
		replica.Freeze()
		master.Do("CLIENT KILL TYPE replica")
		f.writers.until(t, f.writers.count()+enough/2) // which the replica does not hear of
		master.Kill()
		replica.Thaw()
		s.AwaitMaster(replica)
	})
	f.ready(t, 200, f.nodes...)
	f.stop(t)
}
