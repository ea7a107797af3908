// The outbox against a model that is simple enough to be right.

package loop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// entry is an item as the model knows it: frames of one or more messages, or a control frame.
type entry struct {
	content string
	key     string
	at      tick
	kind    itemKind
	count   int
}

// model is an outbox and what should be in it.
type model struct {
	t       *testing.T
	out     outbox
	now     tick
	partial string // of out.late.rest; "" is none
	waiting []entry
	keys    int    // how many there are
	next    int    // number of the next message
	batch   []item // of take
}

// content is bytes that no other message has.
func (m *model) content(size int) []byte {
	m.next++
	return append(binary.BigEndian.AppendUint32(buffers.Get(size+4), uint32(m.next)), make([]byte, size)...)
}

func (m *model) add(kind itemKind, size int, key string, owned bool) {
	b := m.content(size)
	m.out.add(item{b: b, kind: kind, key: key, at: m.now, owned: owned})
	m.waiting = append(m.waiting, entry{string(b), key, m.now, kind, 1})
}

// share puts a message into the buffer of the one before, as Write does.
func (m *model) share(size int) {
	last := m.out.room(size+4, m.now)
	if last == nil {
		return
	}
	b := m.content(size)
	last.b = append(last.b, b...)
	last.size += int32(len(b))
	last.count++
	m.out.bytes += len(b)
	e := &m.waiting[len(m.waiting)-1]
	if e.kind == control || e.at != m.now {
		m.t.Fatal("a message shares a buffer with a control frame, or with one of another time")
	}
	e.content += string(b)
	e.count++
}

func (m *model) conflate(size int, key string) {
	b := m.content(size)
	old, ok := m.out.conflate(item{b: b, key: key, at: m.now, owned: true})
	i := slices.IndexFunc(m.waiting, func(e entry) bool { return e.kind == message && e.key == key })
	switch {
	case ok != (i >= 0) || ok && string(old.b) != m.waiting[i].content:
		m.t.Fatalf("key %q: replaced %d bytes, %t", key, len(old.b), ok)
	case ok:
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
	m.waiting = append(m.waiting, entry{string(b), key, m.now, message, 1})
}

// take takes a batch and gives back all but the first sent bytes of it.
func (m *model) take(sent int) {
	m.batch = m.out.take(m.batch[:0])
	var got, want []byte
	for i := range m.batch {
		got = append(got, m.batch[i].b...)
	}
	n := 0
	if m.partial != "" {
		want = append(want, m.partial...)
	}
	for n < len(m.waiting) && (len(want) == 0 || len(want)+len(m.waiting[n].content) <= coalesce) {
		want = append(want, m.waiting[n].content...)
		n++
	}
	if !bytes.Equal(got, want) {
		m.t.Fatalf("took %d bytes, want %d", len(got), len(want))
	}
	m.waiting, m.partial = m.waiting[n:], ""
	if sent < len(got) {
		m.partial = string(got[sent:])
		m.out.putBack(item{b: append(buffers.Get(len(m.partial)), m.partial...), owned: true, kind: control, at: m.batch[0].at})
	}
	for i := range m.batch {
		m.batch[i].free()
	}
}

// drop drops from the model what too picks, and checks that as much was dropped from the outbox.
func (m *model) drop(messages, bytes int, too func(i int, e entry) bool) {
	var kept []entry
	for i, e := range m.waiting {
		if e.kind == message && too(i, e) {
			messages -= e.count
			bytes -= len(e.content)
		} else {
			kept = append(kept, e)
		}
	}
	m.waiting = kept
	if messages != 0 || bytes != 0 {
		m.t.Fatalf("%d messages of %d bytes too many were dropped", messages, bytes)
	}
}

func (m *model) dropOldest(limit int) {
	total := m.size() + len(m.waiting)*itemCost
	messages, bytes := m.out.dropOldest(limit)
	last := len(m.waiting) - 1
	m.drop(messages, bytes, func(i int, e entry) bool {
		if total <= limit || i == last {
			return false
		}
		total -= len(e.content) + itemCost
		return true
	})
}

func (m *model) dropAged(since tick) {
	messages, bytes := m.out.dropAged(since)
	m.drop(messages, bytes, func(_ int, e entry) bool { return e.at < since })
}

func (m *model) clear(keepPartial bool) {
	messages, bytes := m.out.clear(keepPartial)
	m.drop(messages, bytes, func(int, entry) bool { return true })
	m.waiting = nil
	if !keepPartial {
		m.partial = ""
	}
}

func (m *model) size() int {
	total := len(m.partial)
	for _, e := range m.waiting {
		total += len(e.content)
	}
	return total
}

// check compares the outbox with the model.
func (m *model) check() {
	waiting := slices.DeleteFunc(slices.Clone(m.out.waiting()), func(it item) bool { return it.kind == hole })
	if m.out.bytes != m.size() || len(waiting) != len(m.waiting) || m.out.length() != len(m.waiting) || m.out.empty() != (m.size() == 0) {
		m.t.Fatalf("%d bytes in %d items, want %d in %d", m.out.bytes, len(waiting), m.size(), len(m.waiting))
	}
	if m.out.late != nil && m.out.empty() {
		m.t.Fatal("an empty outbox is late")
	}
	for i, e := range m.waiting {
		if it := &waiting[i]; string(it.b) != e.content || it.kind != e.kind || it.key != e.key || int(it.count) != e.count {
			m.t.Fatalf("item %d is not the one that was queued", i)
		}
	}
	oldest, ok := m.out.oldest()
	if ok == m.out.empty() || ok && m.partial == "" && oldest != m.waiting[0].at {
		m.t.Fatalf("the oldest is of %d, %t", oldest, ok)
	}
}

// step does one operation that is chosen by three numbers.
func (m *model) step(op, a, b byte) {
	key := fmt.Sprint(int(b) % m.keys)
	size := int(a) * int(b%8) * 4
	switch op % 12 {
	case 0, 1:
		m.add(message, size, "", true)
	case 2:
		m.conflate(int(a), key)
	case 3:
		m.add(message, size, "", false)
	case 4:
		m.add(control, int(b%100), "", true)
	case 5:
		m.share(int(a))
	case 6:
		m.conflate(size, key)
	case 7:
		m.take(1 << 20)
	case 8:
		m.take(int(a) * int(b) / 4)
	case 9:
		m.dropOldest(int(a) * 100)
	case 10:
		m.dropAged(max(m.now, tick(a%8)) - tick(a%8))
	case 11:
		m.now += tick(a % 3)
		if b == 0 {
			m.clear(a%2 == 0)
		}
	}
	m.check()
}

func TestTheOutboxIsAsItsModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		m := model{t: t, now: 100, keys: 4}
		ops := 12
		if seed%2 == 1 { // many keys, and hardly anything is taken
			m.keys, ops = 100, 7
		}
		for i := range 500 {
			op := r.IntN(ops)
			if i%50 == 0 {
				op = 7 + r.IntN(5)
			}
			m.step(byte(op), byte(r.Uint32()), byte(r.Uint32()))
		}
		m.clear(false)
		m.check()
	}
}

func FuzzOutbox(f *testing.F) {
	f.Add([]byte{0, 10, 1, 4, 0, 9, 0, 200, 7, 8, 9, 9, 9, 1, 0, 7, 0, 0})
	f.Add([]byte{2, 10, 1, 2, 10, 2, 6, 20, 1, 6, 200, 7, 9, 1, 1, 11, 3, 0, 10, 2, 0})
	f.Add(bytes.Repeat([]byte{0, 255, 7, 8, 100, 100, 9, 50, 0}, 20))
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := model{t: t, now: 100, keys: 4}
		if len(ops) > 0 {
			m.keys = 1 + int(ops[0])
		}
		for ; len(ops) >= 3 && m.next < 10_000; ops = ops[3:] {
			m.step(ops[0], ops[1], ops[2])
		}
	})
}

// An idle connection holds nothing: the slice of items goes back when it is empty.
func TestAnEmptyOutboxHoldsNothing(t *testing.T) {
	m := model{t: t}
	for _, n := range []int{1, 8, 9, 64, 65, 512, 513, 10_000} {
		for range n {
			m.add(message, 10, "", true)
		}
		for len(m.waiting) > 0 {
			m.take(1 << 20)
		}
		if m.out.items != nil || m.out.late != nil || m.out.head != 0 {
			t.Errorf("%d items are held", cap(m.out.items))
		}
	}
}

// Dropping one for each that is added must not cost more with many that wait.
func TestDroppingTheOldestTouchesFew(t *testing.T) {
	var o outbox
	const many = 100_000
	b := make([]byte, 10)
	for range many {
		o.add(item{b: b})
	}
	moved := 0
	for range 2 * many {
		first := &o.waiting()[len(o.waiting())-1]
		o.add(item{b: b})
		if &o.waiting()[len(o.waiting())-2] != first {
			moved++
		}
		o.dropOldest(many * (len(b) + itemCost))
	}
	if moved > 8 {
		t.Errorf("all %d items were moved %d times", many, moved)
	}
	if len(o.waiting()) != many || cap(o.items) > 4*many {
		t.Errorf("%d wait in room for %d", len(o.waiting()), cap(o.items))
	}
}

// The encoder joins what is small, and leaves what is large where it lies.
func TestTheEncoderKeepsWhatWasNotWritten(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, size := range []int{10, 1000, coalesce, 100_000} {
		for _, prepared := range []bool{false, true} {
			c := &Conn{server: s, driver: deaf{}}
			var want []byte
			for i := range 5 {
				payload := bytes.Repeat([]byte{byte(i)}, size)
				if prepared {
					c.WritePrepared(websocket.Prepare(websocket.Binary, payload))
				} else {
					c.Write(websocket.Binary, payload)
				}
				want = wire.AppendFrame(want, wire.Header{Fin: true, Opcode: wire.Binary, Length: uint64(size)}, payload)
			}
			var e encoder
			var got []byte
			for {
				b := e.next(c)
				if b == nil {
					break
				}
				sent := (len(b) + 2) / 3
				got = append(got, b[:sent]...)
				e.done(c, b[sent:])
				if c.out.bytes != len(want)-len(got) {
					t.Fatalf("%d bytes wait, want %d", c.out.bytes, len(want)-len(got))
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("size %d, prepared %t: the bytes are mixed up", size, prepared)
			}
		}
	}
}

// deaf is a driver that does nothing.
type deaf struct{ driver }

func (deaf) wake(*Conn) {}

// A queue of many keys is not searched for each message, and does not grow by what was conflated.
func TestConflatingManyKeysKeepsOneOfEach(t *testing.T) {
	var o outbox
	const keys, rounds = 10_000, 20
	for round := range rounds {
		for key := range keys {
			_, ok := o.conflate(item{b: []byte{1}, key: fmt.Sprint(key)})
			if ok != (round > 0) {
				t.Fatalf("round %d, key %d: replaced %t", round, key, ok)
			}
		}
		o.add(item{b: []byte{1}, kind: control})
	}
	if n := o.length(); n != keys+rounds || cap(o.items) > 8*keys {
		t.Errorf("%d items wait in room for %d, want %d", n, cap(o.items), keys+rounds)
	}
}

// BenchmarkOutbox is what each delivery of a fan-out costs the queue, with so many under way. Nothing is allocated.
func BenchmarkOutbox(b *testing.B) {
	frame := make([]byte, 128)
	for _, depth := range []int{1, 8, 16, 64, 100, 512} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			b.ReportAllocs()
			var o outbox
			var batch []item
			for b.Loop() {
				for range depth {
					o.add(item{b: frame})
				}
				for batch = o.take(batch[:0]); len(batch) > 0; batch = o.take(batch[:0]) {
				}
			}
		})
	}
}

// A message of one byte counts for what it holds, shared or not.
func TestTinyMessagesHoldNoMoreThanTheBound(t *testing.T) {
	const limit = 64 << 10
	tiny := websocket.Prepare(websocket.Binary, []byte{1})
	for _, policy := range []Policy{Disconnect, DropOldest, Conflate} {
		s, err := New(Handler{}, &Options{Goroutines: true, Outbox: Outbox{Bytes: limit, Policy: policy}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Shutdown(t.Context())
		c := &Conn{server: s, driver: deaf{}}
		written := 0
		for written < 10_000 && c.Err() == nil {
			c.WritePrepared(tiny)
			if policy != Disconnect { // where they share buffers
				c.Write(websocket.Binary, []byte{1})
			}
			held := 0
			for i := range c.out.waiting() {
				held += itemCost + cap(c.out.waiting()[i].b)
			}
			if held > limit+limit/8+few*buffers.Min { // the allocator rounds up
				t.Fatalf("policy %d: %d bytes are held by %d messages", policy, held, written)
			}
			if waits := c.Waiting(); waits > limit {
				t.Fatalf("policy %d: %d bytes wait", policy, waits)
			}
			written++
		}
		if policy == Disconnect && (written > limit/itemCost || written < limit/itemCost/2) {
			t.Errorf("%d messages of a byte fill %d bytes", written, limit)
		}
	}
}
