package memory_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// save freezes b and returns what it writes.
func save(t testing.TB, b *memory.Broker) []byte {
	t.Helper()
	var file bytes.Buffer
	b.Freeze()
	if err := b.Save(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// reborn is a broker that has loaded a file.
func reborn(t testing.TB, file []byte, o memory.Options) *memory.Broker {
	t.Helper()
	b := start(t, o)
	if err := b.Load(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasKeptIsKeptByTheNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, memory.Options{})
		kept := hub.Storing{Retention: hub.Retention{Count: 10, Age: time.Hour}}
		for i := range 15 {
			p := &hub.Publication{Channel: "lobby", Event: "price", Kind: hub.Kind(i % 3), Payload: fmt.Appendf(nil, `"%d"`, i),
				Key: "k", Session: "s", User: "ünn"}
			if _, err := b.Publish(t.Context(), p, kept); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		before := history(t, b, "lobby", all(kept.Retention))
		time.Sleep(time.Minute)
		next := reborn(t, save(t, b), memory.Options{})
		time.Sleep(time.Minute)
		after := history(t, next, "lobby", all(kept.Retention))
		if after.Top != before.Top || after.Lost != before.Lost || len(after.Publications) != 10 {
			t.Fatalf("%+v, before %+v", after, before)
		}
		for i, p := range after.Publications {
			q := before.Publications[i]
			same := p.Channel == q.Channel && p.Event == q.Event && p.Kind == q.Kind && bytes.Equal(p.Payload, q.Payload) && p.Key == q.Key &&
				p.Session == q.Session && p.User == q.User && p.Position() == q.Position() && p.Time.Equal(q.Time)
			if !same {
				t.Errorf("%v, before %v", p, q)
			}
		}
		if done := publish(t, next, "lobby", 1, kept); done.Epoch != before.Top.Epoch || done.Offset != 16 {
			t.Errorf("the next publication is %v", done.Position)
		}
		recount(t, next)
		time.Sleep(2 * time.Hour)
		if n := memory.Channels(next); n != 0 {
			t.Errorf("long after %d channels are known", n)
		}
	})
}

func TestAKeyIsRememberedForWhatWasLeftOfItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, memory.Options{})
		keyed := hub.Storing{IdempotencyKey: strings.Repeat("u", 300) + "\x00" + strings.Repeat("k", hub.MaxIdempotencyKey), Window: 5 * time.Minute, Retention: hub.Retention{Count: 1}}
		first := publish(t, b, "orders", 1, keyed)
		time.Sleep(2 * time.Minute)
		file := save(t, b)
		time.Sleep(10 * time.Minute) // while there is no process nobody can repeat it
		next := reborn(t, file, memory.Options{})
		time.Sleep(3*time.Minute - time.Second)
		if done := publish(t, next, "orders", 1, keyed); !done.Duplicate || done.Position != first.Position || !done.Time.Equal(first.Time) {
			t.Errorf("%+v, first %+v", done, first)
		}
		time.Sleep(time.Second)
		if done := publish(t, next, "orders", 1, keyed); done.Duplicate || done.Offset != 2 {
			t.Errorf("after its window %+v", done)
		}
	})
}

func TestWhatExpiresBetweenTwoProcessesIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, memory.Options{})
		short := hub.Storing{Retention: hub.Retention{Count: 10, Age: time.Minute}}
		publish(t, b, "lobby", 1, short)
		time.Sleep(50 * time.Second)
		top := publish(t, b, "lobby", 1, short)
		file := save(t, b)
		time.Sleep(30 * time.Second)
		h := history(t, reborn(t, file, memory.Options{}), "lobby", all(short.Retention))
		if h.Top != top.Position || len(h.Publications) != 1 || h.Lost != 1 {
			t.Errorf("%+v, want one of two and the numbering", h)
		}
		time.Sleep(time.Hour)
		h = history(t, reborn(t, file, memory.Options{}), "lobby", all(short.Retention))
		if h.Top != top.Position || len(h.Publications) != 0 || h.Lost != 2 {
			t.Errorf("%+v, want the numbering alone", h)
		}
	})
}

func TestNothingIsTakenOnceABrokerIsFrozenAndNothingIsLostBefore(t *testing.T) {
	b := start(t, memory.Options{})
	taken := make(chan uint64)
	go func() { // ends with the first refusal
		last := uint64(0)
		for {
			done, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, forever)
			if err != nil {
				taken <- last
				return
			}
			last = done.Offset
		}
	}()
	for history(t, b, "lobby", all(forever.Retention)).Top.Offset < 1000 {
	}
	file := save(t, b)
	if h := history(t, reborn(t, file, memory.Options{}), "lobby", all(forever.Retention)); h.Top.Offset != <-taken {
		t.Errorf("the last receipt is not for %d", h.Top.Offset)
	}
	if _, err := b.Subscribe(t.Context(), "other", forever.Retention); err == nil {
		t.Error("a frozen broker takes subscriptions")
	}
}

func TestALoadStaysWithinTheBoundsOfTheNextProcess(t *testing.T) {
	b := start(t, memory.Options{})
	for i := range 50 {
		for range 10 {
			publish(t, b, fmt.Sprint("old", i), 1000, forever)
		}
	}
	for range 1000 {
		publish(t, b, "newest", 1000, forever)
	}
	next := reborn(t, save(t, b), memory.Options{MaxBytes: 1 << 20})
	if got := memory.Bytes(next); got > 1<<20 {
		t.Errorf("%d bytes are charged", got)
	}
	h := history(t, next, "newest", all(forever.Retention))
	if n := len(h.Publications); n < 200 || h.Top.Offset != 1000 || h.Publications[n-1].Offset != 1000 {
		t.Errorf("%d of the newest are left", n)
	}
	recount(t, next)
}

func TestADamagedFileLeavesNothingBehind(t *testing.T) {
	b := start(t, memory.Options{})
	for i := range 3 {
		publish(t, b, fmt.Sprint("channel", i), 20, hub.Storing{Retention: forever.Retention, IdempotencyKey: "k", Window: time.Hour})
	}
	file := save(t, b)
	for _, c := range []struct {
		proves string
		file   []byte
		says   string
	}{
		{"nothing", nil, "unexpected EOF"},
		{"another version", append([]byte{9}, file[1:]...), "version 9"},
		{"something behind it", append(bytes.Clone(file), 1), "follows"},
		{"a length that is a lie", []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, "at most 255"},
		{"no channel", []byte{1, 7}, "0x7"},
	} {
		next := start(t, memory.Options{})
		if err := next.Load(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", c.proves, err, c.says)
		}
	}
	for n := range len(file) {
		next := memory.New(memory.Options{})
		if err := next.Load(bytes.NewReader(file[:n])); err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(file))
		}
		if memory.Channels(next) != 0 || memory.Bytes(next) != 0 {
			t.Fatalf("%d of %d bytes have left %d channels", n, len(file), memory.Channels(next))
		}
	}
}

func FuzzLoad(f *testing.F) {
	b := start(f, memory.Options{})
	for i := range 3 {
		publish(f, b, fmt.Sprint("channel", i), 20, hub.Storing{Retention: forever.Retention, IdempotencyKey: fmt.Sprint(i), Window: time.Hour})
	}
	f.Add(save(f, b))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, file []byte) {
		const most = 4 << 10
		next := memory.New(memory.Options{MaxBytes: most})
		err := next.Load(bytes.NewReader(file))
		if got := memory.Bytes(next); got > most || err != nil && got != 0 {
			t.Fatalf("%d bytes are charged after %v", got, err)
		}
		if err != nil {
			return
		}
		again := memory.New(memory.Options{MaxBytes: most}) // what was understood can be written
		if err := again.Load(bytes.NewReader(save(t, next))); err != nil {
			t.Fatal(err)
		}
	})
}
