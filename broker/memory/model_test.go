package memory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// model is the broker written down naively, for one channel of one retention: nothing is ever forgotten, and what must not be
// seen any more is left out as it is read.
type model struct {
	retention hub.Retention
	window    time.Duration
	all       []*hub.Publication
	keys      map[string]hub.Published
	heard     []uint64
	listening bool
}

func (m *model) published(p *hub.Publication, key string) {
	m.all = append(m.all, p)
	if key != "" {
		m.keys[key] = hub.Published{Position: p.Position(), Time: p.Time}
	}
	if m.listening {
		m.heard = append(m.heard, p.Offset)
	}
}

// duplicate is the answer to a key that is still remembered.
func (m *model) duplicate(key string) (hub.Published, bool) {
	earlier, ok := m.keys[key]
	if !ok || time.Since(earlier.Time) >= m.window {
		return hub.Published{}, false
	}
	earlier.Duplicate = true
	return earlier, true
}

func (m *model) history(q hub.Query) (offsets []uint64, lost uint64) {
	visible := m.all[max(0, len(m.all)-q.Count):]
	visible = slices.DeleteFunc(slices.Clone(visible), func(p *hub.Publication) bool {
		return q.Age > 0 && time.Since(p.Time) >= q.Age
	})
	before := uint64(len(m.all) - len(visible))
	if before > q.After {
		lost = before - q.After
	}
	for _, p := range visible {
		if p.Offset > q.After || q.Newest {
			offsets = append(offsets, p.Offset)
		}
	}
	if q.Newest {
		return offsets[max(0, len(offsets)-q.Limit):], lost
	}
	return offsets[:min(q.Limit, len(offsets))], lost
}

// ear keeps the offsets of what is delivered.
type ear struct {
	deaf
	heard []uint64
}

func (e *ear) Deliver(p *hub.Publication) { e.heard = append(e.heard, p.Offset) }

// FuzzModel compares the broker with the model over many steps that a seed chooses. Time passes in them, but never so much at
// once that the channel is forgotten: it has a member.
func FuzzModel(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { compare(t, rand.New(rand.NewPCG(seed, 1))) })
	})
}

func compare(t *testing.T, r *rand.Rand) {
	b := memory.New(memory.Options{})
	e := new(ear)
	if err := b.Start(e); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Join(t.Context(), "lobby", hub.Member{Session: "stays"})
	m := &model{
		retention: hub.Retention{Count: r.IntN(12), Age: time.Duration(r.IntN(30)) * time.Second},
		window:    time.Duration(1+r.IntN(30)) * time.Second,
		keys:      make(map[string]hub.Published),
	}
	for step := range 300 {
		switch r.IntN(10) {
		case 0:
			time.Sleep(time.Duration(r.IntN(20_000))*time.Millisecond + 1)
		case 1:
			m.listening = true
			position, err := b.Subscribe(t.Context(), "lobby", m.retention)
			if err != nil || position.Offset != uint64(len(m.all)) {
				t.Fatalf("step %d: subscribed at %v: %v", step, position, err)
			}
		case 2:
			m.listening = false
			b.Unsubscribe("lobby")
		case 3, 4, 5:
			compareHistory(t, b, m, hub.Query{After: uint64(r.IntN(len(m.all) + 3)), Newest: r.IntN(3) == 0, Limit: 1 + r.IntN(15), Retention: m.retention})
		default:
			comparePublish(t, b, m, []string{"", fmt.Sprint(r.IntN(5))}[r.IntN(2)])
		}
	}
	if !slices.Equal(e.heard, m.heard) {
		t.Errorf("delivered were %v, want %v", e.heard, m.heard)
	}
}

func comparePublish(t *testing.T, b *memory.Broker, m *model, key string) {
	t.Helper()
	p := &hub.Publication{Channel: "lobby"}
	want, duplicate := m.duplicate(key)
	got, err := b.Publish(t.Context(), p, hub.Storing{Retention: m.retention, IdempotencyKey: key, Window: m.window})
	switch {
	case err != nil:
		t.Fatal(err)
	case duplicate && got != want:
		t.Fatalf("a duplicate is answered %+v, want %+v", got, want)
	case !duplicate && (got.Duplicate || got.Offset != uint64(len(m.all)+1)):
		t.Fatalf("the answer is %+v, want it at %d", got, len(m.all)+1)
	case !duplicate:
		m.published(p, key)
	}
}

func compareHistory(t *testing.T, b *memory.Broker, m *model, q hub.Query) {
	t.Helper()
	offsets, lost := m.history(q)
	got := history(t, b, "lobby", q)
	var have []uint64
	for _, p := range got.Publications {
		have = append(have, p.Offset)
	}
	if !slices.Equal(have, offsets) || got.Lost != lost || got.Top.Offset != uint64(len(m.all)) {
		t.Fatalf("%+v: %v, %d lost, top %d; want %v, %d, %d", q, have, got.Lost, got.Top.Offset, offsets, lost, len(m.all))
	}
}
