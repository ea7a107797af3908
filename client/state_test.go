package client

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatesFollowEachOtherAsDocumented(t *testing.T) {
	all := []State{Connecting, Open, Waiting, Closed}
	allowed := map[State]string{Connecting: "open waiting closed", Open: "waiting closed", Waiting: "connecting closed", Closed: ""}
	for _, from := range all {
		got := ""
		for _, to := range []State{Connecting, Open, Waiting, Closed} {
			if from.mayBecome(to) {
				got += " " + to.String()
			}
		}
		if want := allowed[from]; got != want && got != " "+want {
			t.Errorf("%s may become%s, want %s", from, got, want)
		}
	}
}

func TestAnIllegalChangeOfStateIsABug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a client was opened twice")
		}
	}()
	c := &Client{state: Open, changed: make(chan struct{})}
	c.to(Open, nil, nil, 0)
}

func TestBackoffGrowsToItsBoundWithFullJitter(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 8 * time.Second}
	for i, ceiling := range []time.Duration{1, 2, 4, 8, 8, 8} {
		least, most := time.Hour, time.Duration(0)
		for range 1000 {
			b.failures = i
			wait := b.Next(0)
			least, most = min(least, wait), max(most, wait)
		}
		if ceiling *= time.Second; most >= ceiling || most < ceiling*9/10 || least > ceiling/10 {
			t.Errorf("after %d failures from %v to %v, want anything below %v", i, least, most, ceiling)
		}
	}
	b.failures = 100
	if wait := b.Next(0); wait >= b.Max {
		t.Errorf("%v", wait)
	}
	if wait := b.Next(time.Minute); wait < time.Minute || wait >= time.Minute+b.Min {
		t.Errorf("asked to wait a minute, it waits %v", wait)
	}
	b.Opened(steady - 1)
	if b.failures == 0 {
		t.Error("a short connection counts as a success")
	}
	b.Opened(steady)
	if b.failures != 0 {
		t.Error("a long connection does not count as a success")
	}
	var zero Backoff
	if wait := zero.Next(0); wait >= DefaultMinBackoff {
		t.Errorf("%v", wait)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for field, want := range map[string]time.Duration{
		"":                     0,
		"7":                    7 * time.Second,
		"-7":                   0,
		"soon":                 0,
		"99999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Hour).Format(http.TimeFormat):  0,
	} {
		if got := retryAfter(field, now); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
}

// TestAFullQueueHoldsTheConnectionForAWhileAndIsThenPaused drives a subscription without a network.
func TestAFullQueueHoldsTheConnectionForAWhileAndIsThenPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{ctx: t.Context(), options: Options{Queue: 4}, subs: make(map[string]*Subscription)}
		s := newSubscription(c, "a", SubscribeOptions{})
		c.subs["a"] = s
		l := &link{client: c, pending: make(map[uint64]*pending), news: make(chan struct{}, 1), asked: make(chan struct{}, 1)}
		c.line = l
		yes := true
		s.subscribed(l, &heard{Cursor: "x-0", Recovered: &yes})
		message := func(offset uint64) {
			s.message(l, &heard{Channel: "a", Offset: offset, Data: []byte("1"), Cursor: "x"})
		}
		for i := range uint64(4) {
			message(i + 1)
		}
		began := time.Now()
		message(5) // does not fit
		if waited := time.Since(began); waited != stall {
			t.Errorf("the connection was held for %v, want %v", waited, stall)
		}
		message(6) // is let go by: it will be asked for
		if n := len(l.queue); n != 1 || string(l.queue[0].text) != `{"type":"unsubscribe","channel":"a"}` {
			t.Fatalf("%d commands: %q", n, l.queue[0].text)
		}
		for i := range uint64(2) {
			if e, err := s.Next(t.Context()); err != nil || e.(*Message).Offset != i+1 {
				t.Fatal(e, err)
			}
		}
		if n := len(l.queue); n != 2 || string(l.queue[1].text) != `{"type":"subscribe","id":1,"channel":"a","cursor":"x"}` {
			t.Errorf("%d commands: %q", n, l.queue[n-1].text)
		}

		// Who takes in time holds nobody up; who waits for an answer may have more wait.
		s.subscribed(l, &heard{Offset: 4, Cursor: "x-4", Recovered: &yes})
		message(5)
		message(6)
		time.AfterFunc(time.Second, func() { s.Next(t.Context()) })
		began = time.Now()
		message(7)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the connection was held for %v, want a second", waited)
		}
		time.AfterFunc(time.Second, func() { l.ask("ping", nil) })
		began = time.Now()
		message(8)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the connection was held for %v, want a second", waited)
		}
		if len(s.queue) != 5 {
			t.Errorf("%d events wait", len(s.queue))
		}
	})
}

func TestCommandsGoTogetherUpToTheServersBounds(t *testing.T) {
	queue := make([][]byte, 250)
	for i := range queue {
		queue[i] = []byte(`{"type":"ping"}`)
	}
	queue[249] = make([]byte, 2*maxBatchBytes)
	var sizes []int
	for len(queue) > 0 {
		var message []byte
		before := len(queue)
		message, queue = batch(queue)
		if n := before - len(queue); n > 1 && (message[0] != '[' || message[len(message)-1] != ']' || len(message) != n*16+1) {
			t.Errorf("%d commands as %.60s…", n, message)
		}
		sizes = append(sizes, before-len(queue))
	}
	if want := []int{100, 100, 49, 1}; len(sizes) != 4 || sizes[0] != want[0] || sizes[2] != want[2] {
		t.Errorf("%v, want %v", sizes, want)
	}
}
