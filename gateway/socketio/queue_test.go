// When a connection is held back, and when it may be read again.

package socketio

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheQueueHoldsAConnectionBackUntilThereIsRoom(t *testing.T) {
	const small = 100
	large := costOf(1000, 100_000) // few bytes, and much to hold
	open := func(room <-chan struct{}) bool {
		select {
		case <-room:
			return true
		default:
			return room == nil
		}
	}
	for _, c := range []struct {
		name string
		do   func(q *queue) (room <-chan struct{})
		want bool // it may be read
	}{
		{"room for more", func(q *queue) <-chan struct{} { return q.add(small) }, true},
		{"as many as may wait", func(q *queue) <-chan struct{} { q.add(small); return q.add(small) }, false},
		{"one of them begins", func(q *queue) <-chan struct{} { q.add(small); room := q.add(small); q.begin(small); return room }, true},
		{"many arguments", func(q *queue) <-chan struct{} { return q.add(large) }, false},
		{"they are with a handler", func(q *queue) <-chan struct{} { room := q.add(large); q.begin(large); return room }, false},
		{"they have been handled", func(q *queue) <-chan struct{} { room := q.add(large); q.begin(large); q.done(large); return room }, true},
		{"their handler asks the client", func(q *queue) <-chan struct{} { room := q.add(large); q.begin(large); q.ask(1); return room }, true},
		{"more than may wait for an answer", func(q *queue) (room <-chan struct{}) {
			q.ask(1)
			for range whileAsked * q.most {
				room = q.add(small)
			}
			return room
		}, false},
		{"much that waits for an answer", func(q *queue) <-chan struct{} { q.ask(1); return q.add(whileAsked * maxQueueBytes) }, false},
		{"the answer has come", func(q *queue) <-chan struct{} { q.ask(1); q.add(small); q.ask(-1); return q.add(small) }, false},
	} {
		if got := open(c.do(&queue{most: 2})); got != c.want {
			t.Errorf("%s: it may be read: %v", c.name, got)
		}
	}
}

func TestASocketThatIsLostTwiceDoesNotHarmTheAsker(t *testing.T) {
	n := &Namespace{server: &Server{options: Options{MaxAcks: 10}}}
	c := &conn{server: n.server}
	first, second := &Socket{namespace: n, conn: c}, &Socket{namespace: n, conn: c}
	asked := newCall(1, []*Socket{first, second})
	if !asked.expect(first) {
		t.Fatal("the first cannot be asked")
	}
	first.mu.Lock() // as end does
	acks := first.acks
	first.over, first.acks = true, nil
	first.mu.Unlock()
	for _, call := range acks {
		call.lose()
	}
	if first.forget(asked) { // as put does when it cannot send
		asked.lose()
	}
	if !asked.expect(second) {
		t.Fatal("the second cannot be asked")
	}
	asked.count(-1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asked.wait(ctx, nil)
	if _, all := asked.end(); all != (tally{Asked: 2, Lost: 1}) || !errors.Is(all.problem(ctx.Err()), ErrTimeout) {
		t.Errorf("%+v, %v", all, all.problem(ctx.Err()))
	}
}

func TestConnectionsInNoNamespaceAreCutInTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := make(chan *conn, 3)
		w := &strangers{patience: 10 * time.Second, cut: func(c *conn) { cuts <- c }}
		settles, first, second := new(conn), new(conn), new(conn)
		w.add(settles)
		time.Sleep(time.Second)
		w.add(first)
		time.Sleep(time.Second)
		w.add(second)
		w.add(first) // its time goes on
		w.remove(settles)
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{8 * time.Second, 0}, {time.Second + 1, 1}, {time.Second, 2}} {
			time.Sleep(c.after)
			synctest.Wait()
			if len(cuts) != c.want {
				t.Fatalf("%d are cut instead of %d", len(cuts), c.want)
			}
		}
		if <-cuts != first || <-cuts != second {
			t.Error("not in their order")
		}
		w.remove(first) // which has gone since
		w.add(settles)
		w.remove(settles)
		time.Sleep(time.Minute)
		if synctest.Wait(); len(cuts) != 0 {
			t.Error("one that is in a namespace is cut")
		}
	})
}

func TestWhatNodesAnswerComesInPartsOfSomeSize(t *testing.T) {
	for name, c := range map[string]struct{ sizes, want []int }{
		"nothing":       {nil, nil},
		"a few":         {[]int{1, 2, 3}, []int{3}},
		"many":          {make([]int, 2*partCount+1), []int{partCount, partCount, 1}},
		"large ones":    {[]int{partBytes / 2, partBytes / 2, 1, partBytes}, []int{2, 1, 1}},
		"one too large": {[]int{2 * partBytes, 1}, []int{1, 1}},
	} {
		var got []int
		inParts(c.sizes, func(size int) int { return size }, func(some []int) error { got = append(got, len(some)); return nil })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v instead of %v", name, got, c.want)
		}
	}
}
