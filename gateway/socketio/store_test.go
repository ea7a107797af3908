// Clients that come back to another node than the one that they left.

package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
)

// shelf is a store in memory, which tells what it was given.
type shelf struct {
	kept chan string

	mu     sync.Mutex // guards what follows
	values map[string][]byte
}

func newShelf() *shelf { return &shelf{kept: make(chan string, 20), values: make(map[string][]byte)} }

func (s *shelf) Keep(_ context.Context, key string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	s.kept <- key
	return nil
}

func (s *shelf) Take(_ context.Context, key string) (value []byte, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.values[key]
	delete(s.values, key)
	return value, ok, nil
}

// two are nodes, which share a store.
func two(t *testing.T) (one, other *node, store *shelf, sockets chan *socketio.Socket) {
	t.Helper()
	store = newShelf()
	_, one, other = neighbours(t, func() socketio.Options { return socketio.Options{Recovery: &socketio.Recovery{Store: store}} })
	sockets = make(chan *socketio.Socket, 20)
	gone := make(chan string, 20)
	one.OnConnection(joining(sockets, gone))
	other.OnConnection(joining(sockets, gone))
	return one, other, store, sockets
}

func TestAClientRecoversOnWhicheverNodeItComesTo(t *testing.T) {
	one, other, store, sockets := two(t)
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets).Emit("first", 1)
	offset := p.offset("first1")
	for i, to := range []*node{other, one, one, other} { // each may have something of before
		p.close()
		await(t, store.kept)
		one.To("room").Emit("missed", i)
		p = to.dial(t)
		p.ask("/", back(a, offset))
		p.offset(fmt.Sprint("missed", i))
		if again := p.welcome("/", "", ""); again != a {
			t.Fatalf("%d: %+v instead of %+v", i, again, a)
		}
		if s := await(t, sockets); !s.Recovered() || s.Get("name") != "ann" {
			t.Errorf("%d: recovered %t, %v", i, s.Recovered(), s.Get("name"))
		}
		for _, from := range []*node{one, other} {
			from.To(a.SID).Emit("direct", i)
			offset = p.offset(fmt.Sprint("direct", i))
		}
	}
}

func TestWhatIsEmittedElsewhereToOneThatIsAwayIsKeptForIt(t *testing.T) {
	one, other, store, sockets := two(t)
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets).Emit("first", 1)
	offset := p.offset("first1")
	p.close()
	await(t, store.kept)
	other.To(a.SID).Emit("direct", 2)
	other.To(a.SID).Volatile().Emit("fleeting", 3)
	p = one.dial(t)
	p.ask("/", back(a, offset))
	p.offset("direct2")
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
}

func TestWhatIsKeptIsGivenOnce(t *testing.T) {
	one, other, store, sockets := two(t)
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	p.close()
	await(t, store.kept)
	for i, to := range []*node{other, one} {
		p := to.dial(t)
		again := p.connect("/", back(a, ""))
		if recovered := again == a; recovered != (i == 0) {
			t.Errorf("%d: %+v after %+v", i, again, a)
		}
		await(t, sockets)
		p.send("41") // it has left for good
		p.alone()
	}
}

func TestWhatCannotBeStoredIsKeptHere(t *testing.T) {
	one, other, _, sockets := two(t)
	gone := make(chan string, 3)
	for _, n := range []*node{one, other} {
		n.OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { gone <- reason }) })
	}
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets).Set("func", func() {})
	p.close()
	await(t, gone)
	p = one.dial(t)
	if again := p.connect("/", back(a, "")); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
	s := await(t, sockets)
	if s.Get("func") == nil {
		t.Error("the function is lost")
	}
	s.Set("func", nil)
	s.Set("large", strings.Repeat("x", 2<<20))
	p.alive()
	p.close()
	await(t, gone)
	p = other.dial(t)
	if again := p.connect("/", back(a, "")); again != a {
		t.Errorf("what is too large for the store is not handed over: %+v instead of %+v", again, a)
	}
}

// slowShelf is a store that is slow to keep something: it tells when it is asked, and waits until it may.
type slowShelf struct {
	*shelf
	asked, may chan struct{}
	taken      chan struct{} // tells of what is taken
}

func (s *slowShelf) Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	s.asked <- struct{}{}
	<-s.may
	return s.shelf.Keep(ctx, key, value, ttl)
}

func (s *slowShelf) Take(ctx context.Context, key string) (value []byte, ok bool, err error) {
	s.taken <- struct{}{}
	return s.shelf.Take(ctx, key)
}

func TestAClientThatIsBackBeforeTheStoreHasWhatIsKeptOfItRecovers(t *testing.T) {
	store := &slowShelf{shelf: newShelf(), asked: make(chan struct{}, 20), may: make(chan struct{}), taken: make(chan struct{}, 20)}
	n := start(t, socketio.Options{Recovery: &socketio.Recovery{Store: store}})
	sockets, gone := make(chan *socketio.Socket, 20), make(chan string, 20)
	n.OnConnection(joining(sockets, gone))
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	p.close()
	await(t, store.asked)
	p = n.dial(t)
	p.ask("/", back(a, ""))
	select { // it must not look yet, or for as long as we care to see
	case <-store.taken:
	case <-time.After(50 * time.Millisecond):
	}
	close(store.may)
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
}
