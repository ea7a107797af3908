package backend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// batch is what a receiver of events sees.
type batch struct {
	ID     string
	Time   time.Time
	Lost   int
	Events []struct {
		ID, Kind, Channel, Session, User, Event, Key, Encoding string
		Time                                                   time.Time
		Offset                                                 int
		Info, Data                                             json.RawMessage
	}
}

func read(t *testing.T, body io.Reader) (b batch) {
	t.Helper()
	if err := json.NewDecoder(body).Decode(&b); err != nil {
		t.Error(err)
	}
	return b
}

func eventsTo(t *testing.T, o backend.EventsOptions) *backend.Events {
	t.Helper()
	o.Secrets, o.Log = []backend.Secret{secret}, slog.New(slog.DiscardHandler)
	e, err := backend.NewEvents(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(e, time.Millisecond) })
	return e
}

func stop(e *backend.Events, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return e.Close(ctx)
}

func add(t *testing.T, e *backend.Events, channel string, n int) {
	t.Helper()
	event := backend.Event{Kind: backend.Published, Channel: channel, Session: "s1", Offset: uint64(n), Data: backend.Payload{Bytes: []byte("hello")}}
	if err := e.Add(event); err != nil {
		t.Error(err)
	}
}

func TestEventsArriveInOrderPerChannelThroughFailures(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		var mu sync.Mutex
		last, seen := map[string]int{}, map[string]bool{}
		repeated := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			b := read(t, r.Body)
			if len(b.Events) > 50 || b.Lost != 0 {
				t.Errorf("%d events, %d lost", len(b.Events), b.Lost)
			}
			fate := rand.N(4)
			if fate == 0 {
				w.WriteHeader(500)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, e := range b.Events {
				if seen[e.ID] {
					repeated++
					continue
				}
				seen[e.ID] = true
				if e.Offset != last[e.Channel]+1 {
					t.Errorf("%s: %d came after %d", e.Channel, e.Offset, last[e.Channel])
				}
				last[e.Channel] = e.Offset
			}
			if fate == 1 { // taken, and the answer lost
				panic(http.ErrAbortHandler)
			}
		}).URL
		e := eventsTo(t, backend.EventsOptions{URL: url, Dir: dir, MaxBatch: 50, MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
		var adding sync.WaitGroup
		for c := range 8 {
			adding.Go(func() {
				for n := range 200 {
					add(t, e, fmt.Sprint("channel", c), n+1)
				}
			})
		}
		adding.Wait()
		if err := stop(e, patient); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); len(seen) != 1600 || s.Delivered != 1600 || s.Lost != 0 {
			t.Errorf("%d arrived, %d again; %+v", len(seen), repeated, s)
		}
	}
}

func TestAnEventTellsWhatHappened(t *testing.T) {
	got := make(chan batch, 10)
	e := eventsTo(t, backend.EventsOptions{URL: serve(t, func(w http.ResponseWriter, r *http.Request) { got <- read(t, r.Body) }).URL})
	at := time.Date(2026, 1, 2, 15, 4, 5, 678_000_000, time.UTC)
	e.Add(backend.Event{Kind: backend.Joined, Time: at, Channel: "chat:lobby", Session: "s1", User: "ann", Info: []byte(`{"name":"Ann"}`), Data: backend.Payload{Bytes: []byte("not of joined")}})
	b := <-got
	j := b.Events[0]
	if b.ID == "" || b.Time.IsZero() || j.Kind != "joined" || j.Channel != "chat:lobby" || j.Session != "s1" || j.User != "ann" || string(j.Info) != `{"name":"Ann"}` || !j.Time.Equal(at) || j.Data != nil {
		t.Errorf("%+v", b)
	}
	e.Add(backend.Event{Kind: backend.Published, Channel: "c", Event: "e", Key: "k", Offset: 7, Data: backend.Payload{Kind: backend.Binary, Bytes: []byte{0, 1, 255}}})
	b = <-got
	p := b.Events[0]
	if p.Event != "e" || p.Key != "k" || p.Offset != 7 || string(p.Data) != `"AAH/"` || p.Encoding != "base64" || p.Time.IsZero() {
		t.Errorf("%+v", b)
	}
	run, number, _ := strings.Cut(j.ID, "-")
	if p.ID != run+"-2" || number != "1" {
		t.Errorf("ids %s and %s", j.ID, p.ID)
	}
}

func TestEventsThatCannotBeToldAreRefused(t *testing.T) {
	e := eventsTo(t, backend.EventsOptions{URL: serve(t, say(204, "")).URL})
	for want, event := range map[string]backend.Event{
		`no event "flew"`:   {Kind: "flew"},
		"is not UTF-8":      {Kind: backend.Published, Data: backend.Payload{Bytes: []byte{255}}},
		"cannot be written": {Kind: backend.Joined, Info: []byte("{")},
		"at most 1048576":   {Kind: backend.Published, Data: backend.Payload{Kind: backend.Binary, Bytes: make([]byte, 1<<20)}},
	} {
		if err := e.Add(event); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	stop(e, patient)
	if err := e.Add(backend.Event{Kind: backend.Joined}); err == nil {
		t.Error("added after Close")
	}
}

func TestALossIsToldBeforeWhatIsLeft(t *testing.T) {
	var working atomic.Bool
	lost, arrived := 0, 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b := read(t, r.Body)
		if !working.Load() {
			w.WriteHeader(500)
			return
		}
		for i, e := range b.Events {
			if e.Offset != lost+arrived+b.Lost+i+1 {
				t.Errorf("event %d came after %d and a loss of %d", e.Offset, lost+arrived+i, b.Lost)
			}
		}
		lost, arrived = lost+b.Lost, arrived+len(b.Events)
	}).URL
	e := eventsTo(t, backend.EventsOptions{URL: url, MaxBytes: 20_000, MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	for n := range 1000 {
		add(t, e, "c", n+1)
	}
	working.Store(true)
	if err := stop(e, patient); err != nil {
		t.Fatal(err)
	}
	if lost == 0 || lost+arrived != 1000 || e.Stats().Lost != uint64(lost) {
		t.Errorf("%d lost, %d arrived; %+v", lost, arrived, e.Stats())
	}
}

func TestAFolderIsDeliveredByTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	e := eventsTo(t, backend.EventsOptions{URL: serve(t, say(500, "")).URL, Dir: dir})
	for n := range 10 {
		add(t, e, "c", n+1)
	}
	if err := stop(e, time.Millisecond); err == nil || !strings.Contains(err.Error(), "10 events were not delivered; the next process does that") {
		t.Error(err)
	}
	ids := map[string]bool{}
	e = eventsTo(t, backend.EventsOptions{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, one := range read(t, r.Body).Events {
			ids[one.ID] = true
		}
	}).URL, Dir: dir})
	add(t, e, "c", 11)
	if err := stop(e, patient); err != nil || len(ids) != 11 {
		t.Errorf("%d came, %v", len(ids), err)
	}
}

func TestInMemoryWhatIsLeftAtTheEndIsToldAsLost(t *testing.T) {
	e := eventsTo(t, backend.EventsOptions{URL: serve(t, say(500, "")).URL})
	add(t, e, "c", 1)
	if err := stop(e, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 events were not delivered and are lost") {
		t.Error(err)
	}
}

func TestABatchThatIsTooLargeIsSentInParts(t *testing.T) {
	arrived := 0
	e := eventsTo(t, backend.EventsOptions{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if b := read(t, r.Body); len(b.Events) > 3 {
			w.WriteHeader(413)
		} else {
			arrived += len(b.Events)
		}
	}).URL, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
	for n := range 100 {
		add(t, e, "c", n+1)
	}
	if err := stop(e, patient); err != nil || arrived != 100 {
		t.Errorf("%d arrived, %v", arrived, err)
	}
}

// One event that the service never takes keeps those behind it from nothing: it is dropped, and told as lost.
func TestAnEventThatIsTooLargeByItselfIsDropped(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		var got []string
		e := eventsTo(t, backend.EventsOptions{Dir: dir, URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			var told []string
			b := read(t, r.Body)
			if b.Lost > 0 {
				told = append(told, fmt.Sprint("lost ", b.Lost))
			}
			for _, e := range b.Events {
				told = append(told, e.Channel)
			}
			if slices.Contains(told, "poison") {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			got = append(got, told...)
		}).URL, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		for n, channel := range []string{"one", "poison", "two", "poison"} {
			add(t, e, channel, n+1)
		}
		if err := stop(e, patient); err != nil {
			t.Error(err)
		}
		if want := []string{"one", "lost 1", "two", "lost 1"}; !slices.Equal(got, want) || e.Stats().Lost != 2 {
			t.Errorf("in %q arrived %q, want %q; %+v", dir, got, want, e.Stats())
		}
	}
}

// dead is a service that is not there, without a network.
type dead struct{ tried chan time.Time }

func (d dead) RoundTrip(*http.Request) (*http.Response, error) {
	d.tried <- time.Now()
	return nil, errors.New("nobody there")
}

func TestPausesBetweenAttemptsGrowToTheirBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dead{make(chan time.Time, 10_000)}
		e := eventsTo(t, backend.EventsOptions{URL: "http://service.test", MinBackoff: 100 * time.Millisecond, MaxBackoff: 10 * time.Second,
			Wrap: func(http.RoundTripper) http.RoundTripper { return d }})
		add(t, e, "c", 1)
		previous := <-d.tried
		var total time.Duration
		for i := range 200 {
			at := <-d.tried
			pause := at.Sub(previous)
			if most := min(10*time.Second, 100*time.Millisecond<<min(i, 20)); pause > most {
				t.Errorf("pause %d is %v, and at most %v", i, pause, most)
			}
			previous, total = at, total+pause
		}
		if mean := total / 200; mean < 2*time.Second { // 4.8 s are expected, with a deviation of 0.2 s
			t.Errorf("the mean pause is %v", mean)
		}
		began := time.Now()
		if err := stop(e, time.Minute); err == nil || time.Since(began) != time.Minute || e.Stats().Failures < 200+60 {
			t.Errorf("%v after %v, %+v: closing is to try until it may not", err, time.Since(began), e.Stats())
		}
	})
}

func TestRepetitionsOfAHookFitIntoItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dead{make(chan time.Time, 100)}
		o := allHooks("http://service.test", backend.HookOptions{Timeout: time.Second, Retries: 90})
		o.Wrap = func(http.RoundTripper) http.RoundTripper { return d }
		h := start(t, o)
		began := time.Now()
		if err := subscribe(h); !errors.Is(err, backend.ErrUnavailable) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := len(d.tried); n < 2 || n > 91 {
			t.Errorf("%d attempts", n)
		}
	})
}
