package measure

// This file: one measurement, from the start of the server's process to its end.

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/bench/admin"
	"github.com/ringdown/ringdown/bench/load"
	"github.com/ringdown/ringdown/bench/servers"
)

// Options are the same for all measurements of a run.
type Options struct {
	Window     time.Duration // how long messages are counted
	Warmup     time.Duration // how long they flow before that
	Pin        bool          // client and server on a processor each
	ProfileDir string        // where servers leave CPU profiles of the windows; empty: none
}

// A Sample is one measurement of one server at one point.
type Sample struct {
	Point, Server string
	Round         int
	Error         string `json:",omitempty"` // why there is nothing else

	// Of points with messages; times of the processor in nanoseconds per message.
	Messages    int     `json:",omitempty"`
	CPU         float64 `json:",omitempty"`
	User        float64 `json:",omitempty"`
	System      float64 `json:",omitempty"`
	Allocations float64 `json:",omitempty"` // per message
	Collections int     `json:",omitempty"` // garbage collections in the window
	Rate        float64 `json:",omitempty"` // messages per second
	P50         float64 `json:",omitempty"` // microseconds
	P99         float64 `json:",omitempty"`
	Busy        float64 `json:",omitempty"` // processors that the server kept busy
	AnswerBytes float64 `json:",omitempty"` // per message on the wire

	// Of idle points, per connection.
	HeapBytes   float64 `json:",omitempty"`
	StackBytes  float64 `json:",omitempty"`
	Objects     float64 `json:",omitempty"`
	RSS         float64 `json:",omitempty"`
	Goroutines  float64 `json:",omitempty"`
	MemoryBytes float64 `json:",omitempty"` // HeapBytes + StackBytes
}

// Take measures. What goes wrong is in the sample's Error.
func Take(s *servers.Server, p Point, o Options) Sample {
	sample := Sample{Point: p.Name, Server: s.Name}
	if err := sample.take(s, p, o); err != nil {
		sample.Error = err.Error()
	}
	return sample
}

func (sample *Sample) take(s *servers.Server, p Point, o Options) error {
	server, err := start(s, p, o)
	if err != nil {
		return err
	}
	defer server.stop()
	if p.Idle() {
		return sample.takeIdle(server, p)
	}
	return sample.takeMessages(server, p, o)
}

func (sample *Sample) takeMessages(server *process, p Point, o Options) error {
	address, err := server.address()
	if err != nil {
		return err
	}
	client, err := load.Dial(address, p.Connections, p.script())
	if err != nil {
		return err
	}
	defer client.Close()
	run := client.Run
	if p.Kind == servers.Fanout {
		run = func(d time.Duration) (*load.Result, error) { return client.Publish(d, p.Depth) }
	}
	if _, err := client.Once(); err != nil {
		return fmt.Errorf("first messages: %w", err)
	}
	if _, err := run(o.Warmup); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	before, err := server.ask(admin.Begin)
	if err != nil {
		return err
	}
	result, err := run(o.Window)
	if err != nil {
		return err
	}
	after, err := server.ask(admin.End)
	if err != nil {
		return err
	}
	sample.messages(before, after, result)
	return nil
}

func (sample *Sample) messages(before, after admin.Stats, result *load.Result) {
	n := float64(result.Messages)
	sample.Messages = result.Messages
	sample.CPU = float64(after.CPU-before.CPU) / n
	sample.User = float64(after.User-before.User) / n
	sample.System = float64(after.System-before.System) / n
	sample.Allocations = float64(after.Mallocs-before.Mallocs) / n
	sample.Collections = int(after.Collections - before.Collections)
	sample.Rate = n / result.Elapsed.Seconds()
	sample.P50 = float64(result.Latencies.Percentile(0.50)) / float64(time.Microsecond)
	sample.P99 = float64(result.Latencies.Percentile(0.99)) / float64(time.Microsecond)
	sample.Busy = float64(after.CPU-before.CPU) / float64(result.Elapsed)
	sample.AnswerBytes = float64(result.BytesIn) / n
}

// What idle connections are compared with is the server after some have come and gone, not one that has never worked.
const (
	guests     = 100
	settleTime = 100 * time.Millisecond // for goroutines to end and for servers to notice that a client has gone
)

func (sample *Sample) takeIdle(server *process, p Point) error {
	visit, err := dialIdle(server, guests, p)
	if err != nil {
		return err
	}
	_, err = visit.Once()
	visit.Close()
	if err != nil {
		return err
	}
	time.Sleep(settleTime)
	before, err := server.ask(admin.Idle)
	if err != nil {
		return err
	}

	client, err := dialIdle(server, p.Connections, p)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Once(); err != nil {
		return err
	}
	time.Sleep(settleTime)
	after, err := server.ask(admin.Idle)
	if err != nil {
		return err
	}
	sample.idle(before, after, p.Connections)
	return nil
}

func (sample *Sample) idle(before, after admin.Stats, connections int) {
	each := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(connections) }
	sample.HeapBytes = each(before.HeapBytes, after.HeapBytes)
	sample.StackBytes = each(before.StackBytes, after.StackBytes)
	sample.Objects = each(before.HeapObjects, after.HeapObjects)
	sample.RSS = each(before.RSS, after.RSS)
	sample.Goroutines = float64(after.Goroutines-before.Goroutines) / float64(connections)
	sample.MemoryBytes = sample.HeapBytes + sample.StackBytes
}

// idler is a client that can be idle.
type idler interface {
	Once() (*load.Result, error)
	Close()
}

func dialIdle(server *process, connections int, p Point) (idler, error) {
	address, err := server.address()
	if err != nil {
		return nil, err
	}
	if p.Kind == servers.IdleTLS {
		return load.DialSecure(address, connections, p.script())
	}
	return load.Dial(address, connections, p.script())
}
