// Clients that come back to another node while the one that they left has what came for them, or has not noticed that they have gone.

package socketio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// stores runs a test with nodes that share a store, and with nodes that have none.
func stores(t *testing.T, f func(t *testing.T, recovery func() *socketio.Recovery)) {
	store := &sync.Map{}
	for name, recovery := range map[string]func() *socketio.Recovery{
		"with a store":    func() *socketio.Recovery { return &socketio.Recovery{Store: (*cellar)(store)} },
		"without a store": func() *socketio.Recovery { return &socketio.Recovery{} },
	} {
		t.Run(name, func(t *testing.T) { f(t, recovery) })
	}
}

// cellar is a store in memory.
type cellar sync.Map

func (c *cellar) Keep(_ context.Context, key string, value []byte, _ time.Duration) error {
	(*sync.Map)(c).Store(key, value)
	return nil
}

func (c *cellar) Take(_ context.Context, key string) ([]byte, bool, error) {
	v, ok := (*sync.Map)(c).LoadAndDelete(key)
	text, _ := v.([]byte)
	return text, ok, nil
}

// street is a town of two nodes whose clients recover.
func street(t *testing.T, o func() socketio.Options) (w *town, one, other *node, sockets chan *socketio.Socket, gone chan string) {
	w, one, other = neighbours(t, o)
	sockets, gone = make(chan *socketio.Socket, 100), make(chan string, 100)
	one.OnConnection(joining(sockets, gone))
	other.OnConnection(joining(sockets, gone))
	return w, one, other, sockets, gone
}

func TestALiveSessionIsTakenOverFromAnotherNode(t *testing.T) {
	stores(t, func(t *testing.T, recovery func() *socketio.Recovery) {
		_, one, other, sockets, gone := street(t, func() socketio.Options { return socketio.Options{Recovery: recovery()} })
		old := one.dial(t)
		a := old.connect("/", "")
		await(t, sockets)
		offset := ""
		for i, nodes := range [][2]*node{{one, other}, {other, one}, {one, other}} {
			from, to := nodes[0], nodes[1]
			from.To("room").Emit("m", i)
			offset = old.offset(fmt.Sprint("m", i))
			from.To("room").Emit("lost", i) // into the dead path
			from.To(a.SID).Emit("direct", i)
			old.offset(fmt.Sprint("lost", i)) // which the client never handles
			old.offset(fmt.Sprint("direct", i))
			p := to.dial(t)
			p.ask("/", back(a, offset))
			p.offset(fmt.Sprint("lost", i))
			p.offset(fmt.Sprint("direct", i))
			if again := p.welcome("/", "", ""); again != a {
				t.Fatalf("%+v instead of %+v", again, a)
			}
			s := await(t, sockets)
			if !s.Recovered() || s.Get("name") != "ann" {
				t.Errorf("recovered: %v, name: %v", s.Recovered(), s.Get("name"))
			}
			if reason := await(t, gone); reason != "transport close" {
				t.Error(reason)
			}
			old.ended()
			for _, n := range []*node{one, other} {
				n.To(a.SID).Emit("here", i)
				p.offset(fmt.Sprint("here", i))
			}
			if n := one.hub.Sessions() + other.hub.Sessions(); n != 1 {
				t.Errorf("there are %d sessions", n)
			}
			old = p
		}
	})
}

func TestWhatIsEmittedToOneThatIsAwayFollowsItToAnotherNode(t *testing.T) {
	stores(t, func(t *testing.T, recovery func() *socketio.Recovery) {
		w, one, other, sockets, gone := street(t, func() socketio.Options { return socketio.Options{Recovery: recovery()} })
		third := w.build(t, "third", socketio.Options{Recovery: recovery()})
		p := one.dial(t)
		a := p.connect("/", "")
		await(t, sockets).Emit("first", 1)
		offset := p.offset("first1")
		p.close()
		await(t, gone)
		heard := make(chan struct{}, 2)
		one.OnServerSide("told", func() { heard <- struct{}{} })
		for _, n := range []*node{one, other, third} {
			if err := n.To(a.SID).Emit("direct", 2); err != nil {
				t.Error(err)
			}
			if n != one {
				n.ServerSideEmit("told")
				await(t, heard)
			}
			n.To("room").Emit("m", 3)
		}
		third.To(a.SID).Volatile().Emit("fleeting", 4)
		p = other.dial(t)
		p.ask("/", back(a, offset))
		for range 3 {
			p.offset("direct2")
			p.offset("m3")
		}
		if again := p.welcome("/", "", ""); again != a {
			t.Errorf("%+v instead of %+v", again, a)
		}
		p.alive()
	})
}

func TestNothingThatIsEmittedToAClientOnItsWayIsLostOrRepeated(t *testing.T) {
	stores(t, func(t *testing.T, recovery func() *socketio.Recovery) {
		w := newTown()
		wander(t, func(name string) *node { return w.build(t, name, socketio.Options{Recovery: recovery()}) })
	})
}

// wander has a client go from node to node while events are emitted to its id.
func wander(t *testing.T, build func(name string) *node) {
	one, other, third := build("one"), build("other"), build("third")
	sockets := make(chan *socketio.Socket, 100)
	for _, n := range []*node{one, other} {
		n.OnConnection(answering(func(s *socketio.Socket) { sockets <- s }))
	}
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	stop, stopped := make(chan struct{}), sync.Once{}
	end := func() { stopped.Do(func() { close(stop) }) }
	var emitting sync.WaitGroup
	emitting.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				third.To(a.SID).Emit("n", -1)
				return
			case <-time.After(2 * time.Millisecond): // of more than a few hundred that were not read the first are forgotten
				third.To(a.SID).Emit("n", i)
			}
		}
	})
	defer emitting.Wait()
	defer end()
	offset, want := "", 0
	read := func(p *peer) (n int, last bool) { // until the answer to CONNECT, or an event
		got := p.next()
		if strings.HasPrefix(got, "40") {
			return 0, false
		}
		var args []any
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "42")), &args); err != nil || len(args) != 3 {
			t.Errorf("%q: %v", got, err)
			return 0, false
		}
		n = int(args[1].(float64))
		if offset = args[2].(string); n >= 0 && n != want {
			t.Errorf("%d came instead of %d", n, want)
		}
		want = n + 1
		return n, true
	}
	for round := range 12 {
		for range 5 {
			read(p)
		}
		next := []*node{other, one}[round%2].dial(t)
		if round%3 == 0 {
			p.close()
		}
		next.ask("/", back(a, offset))
		for event := true; event; {
			_, event = read(next)
		}
		if s := await(t, sockets); !s.Recovered() {
			t.Fatal("it has not recovered")
		}
		p = next
	}
	end()
	for n := 0; n >= 0; {
		n, _ = read(p)
	}
}

func TestWhatOthersHaveIsNotHandedOver(t *testing.T) {
	_, one, other, sockets, gone := street(t, func() socketio.Options {
		return socketio.Options{Recovery: &socketio.Recovery{}, Identify: func(_ context.Context, _ *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
			var given struct{ User string }
			json.Unmarshal(auth, &given)
			return hub.Identity{User: given.User}, nil
		}}
	})
	p := one.dial(t)
	a := p.connect("/", `{"user":"ann"}`)
	await(t, sockets)
	for name, auth := range map[string]string{
		"another user":    fmt.Sprintf(`{"pid":%q,"user":"bob"}`, a.PID),
		"a secret of his": fmt.Sprintf(`{"pid":%q,"user":"ann"}`, strings.Repeat("A", len(a.PID))),
	} {
		if got := other.dial(t).connect("/", auth); got.SID == a.SID {
			t.Errorf("%s has recovered", name)
		}
		if await(t, sockets).Recovered() {
			t.Errorf("%s has recovered", name)
		}
	}
	p.alive()
	p.close()
	await(t, gone)
	if got := other.dial(t).connect("/", fmt.Sprintf(`{"pid":%q,"user":"bob"}`, a.PID)); got.SID == a.SID {
		t.Error("another user has recovered what is kept")
	}
	if got := other.dial(t).connect("/", fmt.Sprintf(`{"pid":%q,"user":"ann"}`, a.PID)); got != a {
		t.Errorf("%+v instead of %+v", got, a)
	}
}

func TestAClientOfANodeThatIsSilentDoesNotWaitForLong(t *testing.T) {
	stores(t, func(t *testing.T, recovery func() *socketio.Recovery) {
		w, one, other, sockets, gone := street(t, func() socketio.Options { return socketio.Options{Recovery: recovery()} })
		p := one.dial(t)
		a := p.connect("/", "")
		await(t, sockets)
		p.close()
		await(t, gone)
		w.silence("one", true)
		again := other.dial(t).connect("/", back(a, ""))
		if stored := strings.HasSuffix(t.Name(), "with_a_store"); (again == a) != stored {
			t.Errorf("%+v after %+v", again, a)
		}
		await(t, sockets)
		began := time.Now()
		for range 50 { // they do not each wait anew
			other.dial(t).connect("/", fmt.Sprintf(`{"pid":%q}`, strings.Repeat("A", len(a.PID))))
		}
		if took := time.Since(began); took > patience {
			t.Errorf("they waited %v", took)
		}
	})
}

func TestAClientThatHasNoTimeLeftKeepsNoOtherFromRecovering(t *testing.T) {
	_, one, other, sockets, gone := street(t, func() socketio.Options {
		return socketio.Options{Recovery: &socketio.Recovery{}, ConnectTimeout: 2 * time.Second,
			Identify: func(ctx context.Context, _ *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
				if strings.Contains(string(auth), "slow") {
					<-ctx.Done()
				}
				return hub.Identity{}, nil
			}}
	})
	p := one.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	p.close()
	await(t, gone)
	const slow = 10
	sought := make(chan struct{}, slow+1)
	other.Use(func(*socketio.Socket) error {
		sought <- struct{}{}
		return nil
	})
	for range slow {
		other.dial(t).ask("/", fmt.Sprintf(`{"pid":%q,"slow":true}`, strings.Repeat("A", len(a.PID))))
	}
	for range slow {
		await(t, sought)
	}
	if again := other.dial(t).connect("/", back(a, "")); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
}
