package rabbitmq

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// randomLog is a log in which a few owners do everything that can be done, with clocks that do not agree.
func randomLog(r *rand.Rand, n int) []*record {
	seqs := make(map[string]uint64)
	var log []*record
	for i := range n {
		owner := fmt.Sprint("node", r.IntN(3), ".run")
		if r.IntN(20) > 0 { // else what was written before comes again
			seqs[owner]++
		}
		name := fmt.Sprint("channel", r.IntN(4))
		rec := &record{Kind: kind(1 + r.IntN(int(lastKind))), Owner: owner, Seq: seqs[owner], Time: int64(i)*1000 + r.Int64N(5000), Channel: name,
			Epoch: fmt.Sprintf("epoch%03d", i%1000), Lifetime: r.Int64N(100_000), Window: r.Int64N(50_000), Count: r.Int64N(10), Age: r.Int64N(60_000),
			Body: wire.AppendContent(nil, &hub.Publication{Payload: fmt.Append(nil, i)})}
		switch rec.Kind {
		case publish:
			rec.Key = []string{"", "", "a", "b"}[r.IntN(4)]
		case join:
			rec.Body = wire.AppendMember(nil, hub.Member{Session: fmt.Sprint(r.IntN(6)), User: []string{"", "ann", "bob"}[r.IntN(3)]})
			rec.Count = r.Int64N(2)
		case depart:
			rec.Key = fmt.Sprint(r.IntN(6))
		case bury:
			rec.Key, rec.Count = fmt.Sprint("node", r.IntN(3), ".run"), []int64{-1, int64(i - 1), int64(i - 2)}[r.IntN(3)]
		case reset:
			rec.Key = []string{"wrong", "wrong", "wrong", anyIncarnation}[r.IntN(4)]
			if r.IntN(4) > 0 {
				rec.Kind = publish
				rec.Key = ""
			}
		}
		log = append(log, rec)
	}
	return log
}

// A node that begins with a snapshot from anywhere in a log comes to the same state, and the same answers, as one that has read everything.
func TestASnapshotAndTheRestOfALogAreTheLog(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		log := randomLog(r, 600)
		cut := r.IntN(len(log))
		whole, late := newState(), (*state)(nil)
		for i, rec := range log {
			out := whole.apply(uint64(i), rec)
			if late != nil {
				if got := late.apply(uint64(i), rec); !reflect.DeepEqual(got.published, out.published) || got.repeated != out.repeated ||
					len(got.events) != len(out.events) || got.ok != out.ok || string(got.value) != string(out.value) {
					t.Fatalf("seed %d, record %d: %+v, and %+v after a snapshot", seed, i, out, got)
				}
			}
			if i != cut {
				continue
			}
			records, _, err := whole.records()
			if err != nil {
				t.Fatal(err)
			}
			all := make(collector)
			for _, part := range records {
				if late, err = all.add(part); err != nil {
					t.Fatal(err)
				}
			}
		}
		whole.sweep()
		late.sweep()
		for name, c := range whole.Channels {
			if d := late.Channels[name]; d == nil || d.Epoch != c.Epoch || d.Top != c.Top || d.Expires != c.Expires || len(d.Kept) != len(c.Kept) {
				t.Errorf("seed %d: %q is %+v, and %+v after a snapshot", seed, name, c, d)
			}
		}
		if !reflect.DeepEqual(whole.Rooms, late.Rooms) || len(whole.Channels) != len(late.Channels) || len(whole.Keys) != len(late.Keys) {
			t.Errorf("seed %d: the states differ", seed)
		}
	}
}

func TestARecordThatComesAgainDoesNothing(t *testing.T) {
	s := newState()
	say := func(seq uint64) outcome {
		return s.apply(s.At+1, &record{Kind: publish, Owner: "a.1", Seq: seq, Channel: "lobby", Epoch: "epoch001", Lifetime: time.Hour.Microseconds()})
	}
	for i, step := range []struct {
		seq      uint64
		repeated bool
		offset   uint64
	}{{1, false, 1}, {1, true, 0}, {3, false, 2}, {2, true, 0}, {3, true, 0}, {4, false, 3}} {
		if out := say(step.seq); out.repeated != step.repeated || out.published.Offset != step.offset {
			t.Errorf("step %d: repeated %v, offset %d; want %v, %d", i, out.repeated, out.published.Offset, step.repeated, step.offset)
		}
	}
}

// The dead stay dead only if they have said nothing since.
func TestAnOwnerIsBuriedOnlyIfItHasBeenSilent(t *testing.T) {
	s := newState()
	s.apply(1, &record{Kind: join, Owner: "a.1", Seq: 1, Channel: "lobby", Body: wire.AppendMember(nil, hub.Member{Session: "s1", User: "ann"})})
	s.apply(2, &record{Kind: beat, Owner: "a.1", Seq: 2})
	if out := s.apply(3, &record{Kind: bury, Owner: "b.1", Seq: 1, Key: "a.1", Count: 1}); len(out.events) != 0 || !s.Owners["a.1"].Alive {
		t.Errorf("buried alive: %+v", out.events)
	}
	out := s.apply(4, &record{Kind: bury, Owner: "b.1", Seq: 2, Key: "a.1", Count: 2})
	if len(out.events) != 1 || out.events[0].Joined || s.Owners["a.1"].Alive || len(s.Rooms) != 0 {
		t.Errorf("after a burial: %+v, %+v", out.events, s.Owners["a.1"])
	}
	if out := s.apply(5, &record{Kind: beat, Owner: "a.1", Seq: 2}); !out.repeated {
		t.Error("what a dead owner had said is taken for new")
	}
}

func TestAResetHoldsForOneIncarnation(t *testing.T) {
	s := newState()
	touched := func(seq uint64) string {
		return s.apply(s.At+1, &record{Kind: touch, Owner: "a.1", Seq: seq, Channel: "lobby", Epoch: fmt.Sprint("epoch", seq), Lifetime: 1}).published.Epoch
	}
	first := touched(1)
	if out := s.apply(2, &record{Kind: reset, Owner: "b.1", Seq: 1, Key: "another", Epoch: "x"}); out.renewed || touched(2) != first {
		t.Error("a reset of another incarnation was done")
	}
	if out := s.apply(4, &record{Kind: reset, Owner: "b.1", Seq: 2, Key: "", Epoch: "x"}); !out.renewed || touched(3) == first {
		t.Error("a reset was not done")
	}
	if out := s.apply(6, &record{Kind: reset, Owner: "c.1", Seq: 1, Key: "", Epoch: "y"}); out.renewed || s.Incarnation != "x" {
		t.Error("a second node has reset what another had")
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range randomLog(rand.New(rand.NewPCG(1, 1)), 30) {
		f.Add(r.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(r.encode())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v is read again as %+v, %v", r, again, err)
		}
		s := newState()
		s.apply(0, r)
		all := make(collector)
		all.add(r)
	})
}
