// Peers that read more slowly than is written to them: the bounds of the outbox, and the policies.

package loop_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// tally adds up what a handler was told of drops.
type tally struct{ messages, bytes, conflated atomic.Int64 }

func (n *tally) add(_ *loop.Conn, d loop.Drop) {
	n.messages.Add(int64(d.Messages))
	n.bytes.Add(int64(d.Bytes))
	if d.Conflated {
		n.conflated.Add(int64(d.Messages))
	}
}

// slow starts a server with an outbox, and connects a peer that does not read yet.
func slow(t *testing.T, d driver, opts loop.Options, n *tally) (*site, *loop.Conn, *peer) {
	opened := make(chan *loop.Conn, 1)
	s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }, Dropped: n.add}, opts)
	p := s.peer()
	return s, receive(t, opened, "Open"), p
}

// numbered is a message that says which it is.
func numbered(n, size int) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, size+4), uint32(n))[:max(size, 4)]
}

// stuff writes to a peer that does not read until its sockets are full, which leaves something waiting. It looks often before it believes
// that, for on a busy machine who writes may have to wait for its turn for longer than the clock's steps.
func stuff(t *testing.T, s *site, c *loop.Conn) (written int) {
	for {
		if err := c.Write(websocket.Binary, numbered(written, 100_000)); err != nil {
			t.Fatal(err)
		}
		written++
		out, ticks := s.Stats().BytesOut, c.Ticks()
		looks := 0
		until(t, "it is written, or is not", func() bool {
			looks++
			return c.Waiting() == 0 || c.Ticks() > ticks+3 && looks > 40
		})
		if c.Waiting() > 0 && s.Stats().BytesOut == out && out > 100_000 {
			return written
		}
	}
}

// drain reads the numbers of all messages up to the last, and checks that they go up.
func drain(t *testing.T, p *peer, last int) (read int) {
	t.Helper()
	for before := -1; before != last; read++ {
		_, payload, err := p.next()
		if err != nil {
			t.Fatalf("after %d messages up to number %d: %v", read, before, err)
		}
		n := int(binary.BigEndian.Uint32([]byte(payload)))
		if n <= before {
			t.Fatalf("number %d came after %d", n, before)
		}
		before = n
	}
	return read
}

func TestDropOldestKeepsTheNewestAndCountsTheRest(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 1000, 50_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				var n tally
				const limit = 300_000
				s, c, p := slow(t, d, loop.Options{Outbox: loop.Outbox{Bytes: limit, Policy: loop.DropOldest}}, &n)
				written := stuff(t, s, c)
				for range 500_000 / size {
					c.Write(websocket.Binary, numbered(written, size))
					written++
					if waits := c.Waiting(); waits > limit+100_000+wire.MaxHeaderSize { // what has begun to leave stays
						t.Fatalf("%d bytes wait", waits)
					}
				}
				if n.messages.Load() == 0 {
					t.Fatal("nothing was dropped")
				}
				read := drain(t, p, written-1)
				if dropped := int(n.messages.Load()); read+dropped != written {
					t.Errorf("%d read + %d dropped != %d written", read, dropped, written)
				}
				if stats := s.Stats(); stats.Dropped != uint64(n.messages.Load()) {
					t.Errorf("the handler was told of %d drops, the counters say %d", n.messages.Load(), stats.Dropped)
				}
				c.Write(websocket.Binary, numbered(written, size)) // as before
				drain(t, p, written)
			})
		})
	}
}

func TestASlowConsumerIsToldAndEverythingIsCounted(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for _, size := range []int{10, 100, 30_000} { // small messages share buffers
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				t.Parallel()
				var n tally
				_, c, p := slow(t, d, loop.Options{}, &n)
				written := 0
				for c.Write(websocket.Binary, numbered(written, size)) == nil {
					written++
				}
				read := 0
				for {
					h, payload, err := p.next()
					if err != nil {
						t.Fatalf("no Close frame: %v", err)
					}
					if h.Opcode == wire.Close {
						if code := binary.BigEndian.Uint16([]byte(payload)); code != 1013 || !strings.Contains(payload, "slow consumer") {
							t.Errorf("closed with %d %q", code, payload[2:])
						}
						break
					}
					if got := int(binary.BigEndian.Uint32([]byte(payload))); got != read {
						t.Fatalf("message %d came as number %d", got, read)
					}
					read++
				}
				if dropped := int(n.messages.Load()); read+dropped != written || dropped == 0 {
					t.Errorf("%d read + %d dropped != %d written", read, dropped, written)
				}
				wantError(t, c.Err(), loop.ErrSlowConsumer, "the limit is 1048576")
			})
		}
	})
}

func TestConflationKeepsTheNewestOfEachKey(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		var n tally
		opts := compressing(mode)
		opts.Outbox = loop.Outbox{Policy: loop.Conflate, Bytes: 4 << 20}
		s, c, p := slow(t, d, opts, &n)
		before := stuff(t, s, c)
		const keys, rounds = 20, 50
		for round := range rounds {
			for key := range keys {
				content := fmt.Appendf(nil, "%d=%d", key, round)
				var err error
				if (round+key)%3 == 0 {
					err = c.WritePreparedKey(websocket.Prepare(websocket.Text, content), fmt.Sprint(key))
				} else {
					err = c.WriteKey(websocket.Text, content, fmt.Sprint(key))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if round == rounds/2 {
				c.Write(websocket.Text, []byte("no key"))
				c.Write(websocket.Text, []byte("no key either"))
			}
		}
		drain(t, p, before-1)
		p.want(wire.Text, "no key") // written before those that are the last of their keys
		p.want(wire.Text, "no key either")
		for key := range keys {
			p.want(wire.Text, fmt.Sprintf("%d=%d", key, rounds-1))
		}
		if got := n.conflated.Load(); got != keys*(rounds-1) || n.messages.Load() != got || s.Stats().Dropped != uint64(got) {
			t.Errorf("told of %d conflated messages and %d dropped in all, want %d", got, n.messages.Load(), keys*(rounds-1))
		}
		until(t, "nothing waits in an empty outbox", func() bool { return c.Waiting() == 0 }) // it is counted once it has been written
	})
}

func TestConflationStaysWithinItsBytes(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		var n tally
		const limit, keys = 300_000, 100
		s, c, p := slow(t, d, loop.Options{Outbox: loop.Outbox{Policy: loop.Conflate, Bytes: limit}}, &n)
		written := stuff(t, s, c)
		for _, size := range []int{4, 20_000} { // small ones make room for large ones of the same keys
			for key := range keys {
				c.WriteKey(websocket.Binary, numbered(written, size), fmt.Sprint(key))
				written++
				if waits := c.Waiting(); waits > limit+120_000 {
					t.Fatalf("%d bytes wait", waits)
				}
			}
		}
		if read := drain(t, p, written-1); read+int(n.messages.Load()) != written {
			t.Errorf("%d read + %d dropped != %d written", read, n.messages.Load(), written)
		}
	})
}

// A message is written in each step of the clock, and each waits for no more than six.
func TestWhatHasWaitedTooLongIsDropped(t *testing.T) {
	t.Parallel()
	const size, messages = 10_000, 25
	eachDriver(t, func(t *testing.T, d driver) {
		var n tally
		s, c, p := slow(t, d, loop.Options{Outbox: loop.Outbox{Age: 600 * ms, Policy: loop.DropOldest}}, &n)
		written := stuff(t, s, c)
		before := n.messages.Load()
		for range messages {
			ticks := c.Ticks()
			until(t, "the clock ticks", func() bool { return c.Ticks() > ticks })
			c.Write(websocket.Binary, numbered(written, size))
			written++
			if waits := c.Waiting(); waits > 200_000+12*size { // what has begun to leave stays
				t.Errorf("%d bytes wait", waits)
			}
		}
		if dropped := n.messages.Load() - before; dropped < messages/4 {
			t.Errorf("%d messages were dropped of %d", dropped, messages)
		}
		read := drain(t, p, written-1)
		until(t, "every message is read or known to be dropped", func() bool { return read+int(n.messages.Load()) == written })
	})
}

func TestOneLargeMessageMayWaitAlone(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for _, policy := range []loop.Policy{loop.Disconnect, loop.DropOldest, loop.Conflate} {
			var n tally
			_, c, p := slow(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 1000, Policy: policy}}, &n)
			if err := c.Write(websocket.Text, []byte(lorem(1<<20))); err != nil {
				t.Fatal(err)
			}
			p.want(wire.Text, lorem(1<<20))
			if n.messages.Load() != 0 {
				t.Errorf("policy %d: %d dropped", policy, n.messages.Load())
			}
		}
	})
}

// A thousand peers that never read cost what their outboxes may hold, and no more.
func TestPeersThatNeverReadStayInTheirBudget(t *testing.T) {
	const limit, size = 32 << 10, 4 << 10
	for _, d := range drivers[:2] {
		peers := max(1000/raceShare, 200)
		if d.goroutines {
			peers = 200
		}
		for _, policy := range []loop.Policy{loop.Disconnect, loop.DropOldest} {
			t.Run(fmt.Sprint(d.name, policy), func(t *testing.T) {
				opened := make(chan *loop.Conn, peers)
				s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }},
					loop.Options{Outbox: loop.Outbox{Bytes: limit, Policy: policy}})
				var conns []*loop.Conn
				for range peers {
					s.peer()
					conns = append(conns, receive(t, opened, "Open"))
				}
				m := websocket.Prepare(websocket.Binary, make([]byte, size))
				refused := 0
				for round := 0; round < 400 && refused < peers; round++ {
					total := 0
					refused = 0
					for _, c := range conns {
						if errors.Is(c.WritePrepared(m), websocket.ErrClosing) {
							refused++
						}
						total += c.Waiting()
					}
					if total > peers*(limit+16<<10+size) { // 16 KiB have begun to leave
						t.Fatalf("%d bytes wait for %d peers", total, peers)
					}
				}
				if policy == loop.Disconnect && refused != peers {
					t.Errorf("%d of %d peers were cut", refused, peers)
				}
				if dropped := s.Stats().Dropped; dropped == 0 {
					t.Error("nothing was dropped")
				}
			})
		}
	}
}
