// The outbox against a model that is simple enough to be right.

package outbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// entry is an item as the model knows it: frames of one or more messages, or a control frame.
type entry struct {
	content string
	key     string
	at      wheel.Tick
	kind    Kind
	count   int
}

// model is an outbox and what should be in it.
type model struct {
	t       *testing.T
	out     Queue
	now     wheel.Tick
	partial string // of out.late.rest; "" is none
	waiting []entry
	keys    int    // how many there are
	next    int    // number of the next message
	batch   []Item // of take
}

// content is bytes that no other message has.
func (m *model) content(size int) []byte {
	m.next++
	return append(binary.BigEndian.AppendUint32(buffers.Get(size+4), uint32(m.next)), make([]byte, size)...)
}

func (m *model) add(kind Kind, size int, key string, owned bool) {
	b := m.content(size)
	m.out.Add(Item{Bytes: b, Kind: kind, Key: key, At: m.now, Owned: owned})
	m.waiting = append(m.waiting, entry{string(b), key, m.now, kind, 1})
}

// share puts a message into the buffer of the one before, as Write does.
func (m *model) share(size int) {
	last := m.out.Room(size+4, m.now)
	if last == nil {
		return
	}
	b := m.content(size)
	last.Bytes = append(last.Bytes, b...)
	m.out.Grown(last)
	e := &m.waiting[len(m.waiting)-1]
	if e.kind == Control || e.at != m.now {
		m.t.Fatal("a Message shares a buffer with a Control frame, or with one of another time")
	}
	e.content += string(b)
	e.count++
}

func (m *model) conflate(size int, key string) {
	b := m.content(size)
	bytes, ok := m.out.Conflate(Item{Bytes: b, Key: key, At: m.now, Owned: true})
	i := slices.IndexFunc(m.waiting, func(e entry) bool { return e.kind == Message && e.key == key })
	switch {
	case ok != (i >= 0) || ok && bytes != len(m.waiting[i].content):
		m.t.Fatalf("key %q: replaced %d bytes, %t", key, bytes, ok)
	case ok:
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
	m.waiting = append(m.waiting, entry{string(b), key, m.now, Message, 1})
}

// take takes a batch and gives back all but the first sent bytes of it.
func (m *model) take(sent int) {
	m.batch = m.out.Take(m.batch[:0])
	var got, want []byte
	for i := range m.batch {
		got = append(got, m.batch[i].Bytes...)
	}
	n := 0
	if m.partial != "" {
		want = append(want, m.partial...)
	}
	for n < len(m.waiting) && (len(want) == 0 || len(want)+len(m.waiting[n].content) <= Coalesce) {
		want = append(want, m.waiting[n].content...)
		n++
	}
	if !bytes.Equal(got, want) {
		m.t.Fatalf("took %d bytes, want %d", len(got), len(want))
	}
	m.waiting, m.partial = m.waiting[n:], ""
	if sent < len(got) {
		m.partial = string(got[sent:])
		m.out.PutBack(Item{Bytes: append(buffers.Get(len(m.partial)), m.partial...), Owned: true, Kind: Control, At: m.batch[0].At})
	}
	for i := range m.batch {
		m.batch[i].Free()
	}
}

// drop drops from the model what too picks, and checks that as much was dropped from the outbox.
func (m *model) drop(messages, bytes int, too func(i int, e entry) bool) {
	var kept []entry
	for i, e := range m.waiting {
		if e.kind == Message && too(i, e) {
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
	total := m.size() + len(m.waiting)*ItemCost
	messages, bytes := m.out.DropOldest(limit)
	last := len(m.waiting) - 1
	m.drop(messages, bytes, func(i int, e entry) bool {
		if total <= limit || i == last {
			return false
		}
		total -= len(e.content) + ItemCost
		return true
	})
}

func (m *model) dropAged(since wheel.Tick) {
	messages, bytes := m.out.DropAged(since)
	m.drop(messages, bytes, func(_ int, e entry) bool { return e.at < since })
}

func (m *model) clear(keepPartial bool) {
	messages, bytes := m.out.Clear(keepPartial)
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
	waiting := slices.DeleteFunc(slices.Clone(m.out.waiting()), func(it Item) bool { return it.Kind == hole })
	if m.out.bytes != m.size() || len(waiting) != len(m.waiting) || m.out.Len() != len(m.waiting) || m.out.Empty() != (m.size() == 0) {
		m.t.Fatalf("%d bytes in %d items, want %d in %d", m.out.bytes, len(waiting), m.size(), len(m.waiting))
	}
	if m.out.late != nil && m.out.Empty() {
		m.t.Fatal("an empty Queue is late")
	}
	for i, e := range m.waiting {
		if it := &waiting[i]; string(it.Bytes) != e.content || it.Kind != e.kind || it.Key != e.key || int(it.count) != e.count {
			m.t.Fatalf("Item %d is not the one that was queued", i)
		}
	}
	oldest, ok := m.out.Oldest()
	if ok == m.out.Empty() || ok && m.partial == "" && oldest != m.waiting[0].at {
		m.t.Fatalf("the oldest is of %d, %t", oldest, ok)
	}
}

// step does one operation that is chosen by three numbers.
func (m *model) step(op, a, b byte) {
	key := fmt.Sprint(int(b) % m.keys)
	size := int(a) * int(b%8) * 4
	switch op % 12 {
	case 0, 1:
		m.add(Message, size, "", true)
	case 2:
		m.conflate(int(a), key)
	case 3:
		m.add(Message, size, "", false)
	case 4:
		m.add(Control, int(b%100), "", true)
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
		m.dropAged(max(m.now, wheel.Tick(a%8)) - wheel.Tick(a%8))
	case 11:
		m.now += wheel.Tick(a % 3)
		if b == 0 {
			m.clear(a%2 == 0)
		}
	}
	m.check()
}

func TestTheOutboxIsAsItsModel(t *testing.T) {
	for seed := range uint64(40) {
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
