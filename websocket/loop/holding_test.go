// What connections hold, and what they cost, whatever their peers do.

package loop_test

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// live is how many bytes of the heap are in use, and allocated how many were asked for so far.
func live() int {
	runtime.GC()
	runtime.GC() // pools keep what they hold for one
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func allocated() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.TotalAlloc)
}

// Not in parallel, like all tests here: they look at the whole process.
func TestAnIdleConnectionHoldsNoMessage(t *testing.T) {
	const peers, size = 16, 600 << 10
	for _, d := range drivers[:2] {
		var got atomic.Int32
		s := d.start(t, loop.Handler{Message: func(*loop.Conn, websocket.MessageType, []byte) { got.Add(1) }}, loop.Options{})
		var all []*peer
		for range peers {
			all = append(all, s.peer())
		}
		before := live()
		m := frame(wire.Header{Fin: true, Opcode: wire.Binary}, strings.Repeat("x", size))
		for _, p := range all {
			p.send(m)
		}
		until(t, "all have come", func() bool { return got.Load() == peers })
		until(t, d.name+": nothing is held", func() bool { return live()-before < peers*size/10 })
	}
}

func TestABurstForSlowHandlersIsNotCopiedForEachMessage(t *testing.T) {
	const messages = 5000
	done := make(chan struct{}, messages)
	s := drivers[0].start(t, loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) {
		c.Go(func() { done <- struct{}{} })
	}}, loop.Options{})
	p := s.peer()
	before := allocated()
	p.send([]byte(strings.Repeat(string(text("")), messages)))
	for range messages {
		receive(t, done, "a message")
	}
	if n := allocated() - before; n > 20<<20 { // 75 MB when each takes a copy
		t.Errorf("%d bytes allocated for %d messages", n, messages)
	}
}

func TestALargeMessageIsNotCopiedForEachWrite(t *testing.T) {
	const size = 8 << 20
	for _, d := range drivers {
		opened := make(chan *loop.Conn, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }}, loop.Options{})
		p := s.peer()
		c := receive(t, opened, "Open")
		m := make([]byte, size)
		before := allocated()
		c.Write(websocket.Binary, m)
		if _, err := p.r.Discard(size); err != nil {
			t.Fatal(err)
		}
		if n := allocated() - before; n > 16*size { // once for the outbox; the ciphertext grows as it is made
			t.Errorf("%s: %d bytes allocated for a message of %d", d.name, n, size)
		}
	}
}

// A program may keep a connection that has ended: it holds nothing but itself, whoever has driven it.
func TestAConnectionThatHasEndedHoldsNoMessage(t *testing.T) {
	const peers, size = 16, 600 << 10
	for _, d := range drivers[:2] {
		kept := make(chan *loop.Conn, peers)
		s := d.start(t, loop.Handler{
			Open:  func(c *loop.Conn) { c.Write(websocket.Binary, make([]byte, size)) },
			Close: func(c *loop.Conn, _ error) { kept <- c },
		}, loop.Options{})
		before := live()
		for range peers {
			p := s.peer()
			m := frame(wire.Header{Fin: true, Opcode: wire.Binary}, strings.Repeat("x", size))
			p.send(m[:size/2]) // the other half never comes
			p.hangUp()
		}
		var all []*loop.Conn
		for range peers {
			all = append(all, receive(t, kept, "Close"))
		}
		until(t, d.name+": nothing is held", func() bool { return live()-before < peers*size/10 })
		runtime.KeepAlive(all)
	}
}
