//go:build unix

// A crowd that reads, writers that write, and the checker over all that they log.

package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
)

const (
	patience   = 3 * time.Minute
	publishers = 4
	pause      = 40 * time.Millisecond // of a publisher
	enough     = 60                    // publications before something happens, and behind it; all of a channel are within the history of dev mode, 1000
)

var (
	channels = []string{"lobby", "news", "quiet"}
	busy     = channels[:2] // in which something is published all the time, so that who polls is often between two polls
)

// traffic is what happens while something fails. It ends with its test.
type traffic struct {
	log     *simulation.Log
	crowd   *crowd
	writers *writers
	ctx     context.Context
	stop    context.CancelFunc
	reads   sync.WaitGroup
	loses   bool // something has happened that loses publications
}

// begin has a crowd read at an address, so many of each transport, and waits until all are there.
func begin(t *testing.T, address string, each int, over ...simulation.Transport) *traffic {
	t.Helper()
	log := simulation.NewLog()
	log.Add(simulation.Entry{What: simulation.NodeStarted}) // once: what outlives the nodes makes one life of them
	f := &traffic{log: log, crowd: &crowd{address: address, log: log}, writers: &writers{address: address, log: log}}
	f.ctx, f.stop = context.WithCancel(t.Context())
	t.Cleanup(f.end)
	f.writers.begin(f.ctx, t)
	for i := range each * len(over) {
		f.read(t, &reader{over: over[i%len(over)], channel: channels[i/len(over)%len(channels)]})
	}
	for _, channel := range channels {
		f.publish(t, channel, f.writers.id("opener-"))
	}
	f.crowd.until(t, "everybody hears something", func(r *reader) bool { return r.seen() != "" })
	return f
}

// read adds a reader to the crowd.
func (f *traffic) read(t *testing.T, r *reader) {
	r.crowd, r.name, r.cursor = f.crowd, fmt.Sprintf("%s-%d", r.over, len(f.crowd.readers)), f.writers.cursors[r.channel]
	f.crowd.readers = append(f.crowd.readers, r)
	f.reads.Go(func() { r.run(f.ctx, t) })
}

// publish publishes by whichever node the balancer chooses.
func (f *traffic) publish(t *testing.T, channel, id string) {
	ctx, cancel := newPatience(t)
	defer cancel()
	f.writers.publish(ctx, "herald", channel, id)
}

// under has something happen while writers publish. Behind it, once everybody has heard everything, all that was said and heard so far is checked.
func (f *traffic) under(t *testing.T, happens func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(f.ctx)
	writing, stop := context.WithCancel(ctx)
	var writes sync.WaitGroup
	for i := range publishers {
		writes.Go(func() { f.writers.run(ctx, i, writing.Done()) })
	}
	defer writes.Wait()
	defer cancel()
	f.writers.until(t, f.writers.count()+enough)
	happens()
	f.writers.until(t, f.writers.count()+enough)
	stop()
	writes.Wait()
	f.settle(t)
	f.check(t)
}

// forget tells the checker that from here on what was published may be lost. It must be told to whom it concerns.
func (f *traffic) forget() {
	f.log.Add(simulation.Entry{What: simulation.NodeStarted})
	f.loses = true
}

// settle waits until everybody has seen the last publication of its channel.
func (f *traffic) settle(t *testing.T) {
	t.Helper()
	last := make(map[string]string)
	heard := func(r *reader) bool { return r.seen() == last[r.channel] }
	for again := true; again; {
		for _, channel := range channels {
			last[channel] = f.writers.id("final-" + channel + "-")
			f.publish(t, channel, last[channel])
		}
		again = false
		for wait := time.Now().Add(time.Second); f.loses && !again && !f.crowd.all(heard); time.Sleep(10 * time.Millisecond) {
			again = time.Now().After(wait) // who has just lost track, and asked where the end is, need not have heard it
		}
	}
	f.crowd.until(t, "everybody is up to date", heard)
}

// check gives all that was logged to the checker.
func (f *traffic) check(t *testing.T) {
	t.Helper()
	entries := f.log.Entries()
	if f.loses {
		entries = append(entries, withoutReceipt(entries)...)
	}
	legs := make(map[string]int) // the latest of each reader that the log knows: who polls has perhaps begun another
	for _, e := range entries {
		if e.What == simulation.Opened {
			legs[e.Who] = e.Leg
		}
	}
	for _, r := range f.crowd.readers {
		entries = append(entries, simulation.Entry{What: simulation.Settled, Who: r.name, Leg: legs[r.name], Channel: r.channel})
	}
	t.Log(simulation.Summary(entries))
	rule := hub.Rule{Publish: hub.Everyone, History: hub.Retention{Count: 1000, Age: 10 * time.Minute}}
	faults := simulation.Check(func(string) hub.Rule { return rule }, entries)
	for _, fault := range faults[:min(5, len(faults))] {
		t.Errorf("%v\n%s", fault, simulation.Excerpt(entries, fault, 20))
	}
}

// withoutReceipt are the publications that somebody was given and that were lost before their publisher had the receipt.
func withoutReceipt(entries []simulation.Entry) (more []simulation.Entry) {
	began := make(map[string]simulation.Mark)
	known := make(map[string]bool) // places
	for i, e := range entries {
		if _, again := began[e.Content.ID]; e.What == simulation.Attempted && !again {
			began[e.Content.ID] = simulation.Mark{Index: i, At: e.At}
		}
		known[e.Cursor] = known[e.Cursor] || e.What == simulation.Numbered
	}
	for _, e := range entries {
		if e.What == simulation.Saw && e.Cursor != "" && !known[e.Cursor] {
			known[e.Cursor] = true
			more = append(more, simulation.Entry{What: simulation.Numbered, Channel: e.Channel, Content: e.Content, Cursor: e.Cursor, Began: began[e.Content.ID]})
		}
	}
	return more
}

// end ends all readers.
func (f *traffic) end() {
	f.stop()
	f.reads.Wait()
}

// until waits for something that holds for every reader in the end.
func (c *crowd) until(t *testing.T, what string, holds func(*reader) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !c.all(holds); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			at := slices.IndexFunc(c.readers, func(r *reader) bool { return !holds(r) })
			t.Fatalf("waited in vain until %s: %s has seen %q last", what, c.readers[at].name, c.readers[at].seen())
		}
	}
}

func (c *crowd) all(holds func(*reader) bool) bool {
	return !slices.ContainsFunc(c.readers, func(r *reader) bool { return !holds(r) })
}

// newPatience is a context for what takes much less on a machine that is not busy.
func newPatience(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 2*patience)
}
