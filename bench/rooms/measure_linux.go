package rooms

// This file: one measurement, from the start of the server's process to its end.

import (
	"runtime"
	"time"

	"github.com/ringdown/ringdown/loadtest"
)

// Options are the same for all measurements of a run.
type Options struct {
	Window time.Duration // how long publications flow while they are counted
	Warmup time.Duration // how long they flow before that
	Settle time.Duration // how long memory is watched at least before it is read
	Pin    bool          // server and client on a processor each
}

// Take measures. What goes wrong is in the sample's Error.
func Take(peer *Peer, program Program, p Point, o Options) Sample {
	sample := Sample{Point: p.Name, Peer: peer.Name}
	if err := sample.take(peer, program, p, o); err != nil {
		sample.Error = err.Error()
	}
	return sample
}

func (sample *Sample) take(peer *Peer, program Program, p Point, o Options) error {
	runtime.LockOSThread() // the server ends with the thread that started it
	defer runtime.UnlockOSThread()
	if p.Kind == Cluster {
		return sample.takeCluster(program, &peer.Protocol, p, o)
	}
	server, err := start(program, o.Pin)
	if err != nil {
		return err
	}
	defer server.stop()
	measure := map[Kind]func(*Sample, *process, *Protocol, Point, Options) error{
		Fanout: (*Sample).takeFanout, Idle: (*Sample).takeIdle, Publish: (*Sample).takePublish, Join: (*Sample).takeJoin,
		Ack: (*Sample).takeAck,
	}[p.Kind]
	if err := measure(sample, server, &peer.Protocol, p, o); err != nil {
		return server.explain(err)
	}
	return nil
}

// warm is how many deliveries or answers come before any is counted, however long that takes: servers whose code is compiled
// as it runs need a few thousand turns of it.
const warm = 10_000

// work notes what a server used between two moments for so many units of work.
func (sample *Sample) work(before, after usage, units int, took time.Duration, latencies *loadtest.Histogram) {
	n := float64(units)
	cpu := after.cpu - before.cpu
	user, system := after.user-before.user, after.system-before.system
	sample.Units = units
	sample.CPU = float64(cpu) / n
	if both := user + system; both > 0 {
		sample.Kernel = float64(system) / float64(both)
	}
	sample.Rate = n / took.Seconds()
	sample.Seconds = took.Seconds()
	sample.P50 = float64(latencies.Percentile(0.50)) / float64(time.Microsecond)
	sample.P99 = float64(latencies.Percentile(0.99)) / float64(time.Microsecond)
	sample.Busy = float64(cpu) / float64(took)
}

// guests are clients that come and go before anything is measured, so that no server is seen in its first moments.
const (
	guests    = 100
	afterward = 500 * time.Millisecond // for a server to notice that they have gone
)

func receiveGuests(server *process, protocol *Protocol) error {
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	err = c.join(guests)
	c.close()
	if err != nil {
		return err
	}
	time.Sleep(afterward)
	return nil
}

// takeJoin lets all clients in as fast as the server takes them.
func (sample *Sample) takeJoin(server *process, protocol *Protocol, p Point, _ Options) error {
	if err := receiveGuests(server, protocol); err != nil {
		return err
	}
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	defer c.close()
	before, err := server.usage()
	if err != nil {
		return err
	}
	began := c.now()
	if err := c.join(p.Clients); err != nil {
		return err
	}
	took := c.now() - began
	after, err := server.usage()
	if err != nil {
		return err
	}
	sample.work(before, after, p.Clients, took, &c.joins)
	return nil
}

// How long memory is watched beyond [Options.Settle]: until for some looks in turn it was within settledWithin of the one
// before.
const (
	settleLook    = time.Second
	settleLooks   = 3
	settledWithin = 0.01
	settleMost    = 15 * time.Second
)

// takeIdle compares the server's memory with that before its subscribers came, garbage and all: nobody can make a process of
// another language collect it. The subscribers answer heartbeats meanwhile.
func (sample *Sample) takeIdle(server *process, protocol *Protocol, p Point, o Options) error {
	if err := receiveGuests(server, protocol); err != nil {
		return err
	}
	before, err := server.memory()
	if err != nil {
		return err
	}
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.join(p.Clients); err != nil {
		return err
	}
	joined := c.now()
	after, err := settled(c, server, o.Settle)
	if err != nil {
		return err
	}
	each := func(before, after int) float64 { return float64(after-before) / float64(p.Clients) }
	sample.Memory = each(before.pss, after.pss)
	sample.Anonymous = each(before.anonymous, after.anonymous)
	sample.Settled = (c.now() - joined).Seconds()
	return nil
}

func settled(c *crowd, server *process, least time.Duration) (m memory, err error) {
	began, still := c.now(), 0
	for last := 0; c.now()-began < least || still < settleLooks && c.now()-began < least+settleMost; {
		if err := c.attend(settleLook); err != nil {
			return m, err
		}
		if m, err = server.memory(); err != nil {
			return m, err
		}
		still++
		if change := float64(m.pss - last); max(change, -change) > settledWithin*float64(last) {
			still = 0
		}
		last = m.pss
	}
	return m, nil
}
