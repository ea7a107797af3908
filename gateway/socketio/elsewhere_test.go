// What is done to the sockets of all nodes, and what becomes of it when nodes do not answer.

package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

func TestServersEmitToEachOther(t *testing.T) {
	w, one, two := neighbours(t, func() socketio.Options { return socketio.Options{} })
	three := w.build(t, "three", socketio.Options{})
	got := make(chan string, 4)
	one.OnServerSide("x", func() { t.Error("the node emits to itself") })
	two.OnServerSide("x", func(i int, b socketio.Bytes, ack socketio.Ack) {
		got <- fmt.Sprint(i, " ", string(b), " ", ack.Wanted())
		go ack.Send("two", i+1)
	})
	two.OnServerSide("y", func() { t.Error("it was another event") })
	if err := one.ServerSideEmit("x", 1, []byte("b")); err != nil {
		t.Fatal(err)
	}
	if got := await(t, got); got != "1 b false" {
		t.Error(got)
	}
	replies, err := one.ServerSideEmitWithAck(t.Context(), "x", 1, []byte("b"))
	var incomplete *socketio.Incomplete
	if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Nodes, []string{"three"}) {
		t.Errorf("three has no handler: %v", err)
	}
	if len(replies) != 1 || replies[0].Node != "other" || string(replies[0].JSON(0)) != `"two"` || string(replies[0].JSON(1)) != "2" {
		t.Errorf("%+v", replies)
	}
	three.OnServerSide("x", func(ack socketio.Ack) { ack.Send() })
	if replies, err := one.ServerSideEmitWithAck(t.Context(), "x", 2, []byte("b")); err != nil || len(replies) != 2 {
		t.Errorf("%+v, %v", replies, err)
	}
	three.OnServerSide("mute", func(socketio.Ack) {})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := one.ServerSideEmitWithAck(ctx, "mute"); !errors.As(err, &incomplete) || len(incomplete.Nodes) != 2 {
		t.Errorf("nobody answers: %v", err)
	}
	if err := one.Of("/other").ServerSideEmit("x"); err != nil {
		t.Error(err)
	}
	if _, err := one.Of("/other").ServerSideEmitWithAck(t.Context(), "x"); !errors.As(err, &incomplete) || !slices.Equal(incomplete.Nodes, []string{"other", "three"}) {
		t.Errorf("the others have no such namespace: %v", err)
	}
	alone := start(t, socketio.Options{})
	if err := alone.ServerSideEmit("x"); err != nil {
		t.Error(err)
	}
	if replies, err := alone.ServerSideEmitWithAck(t.Context(), "x"); err != nil || replies != nil {
		t.Errorf("%v, %v", replies, err)
	}
}

// spread connects two clients to each of two nodes.
func spread(t *testing.T, o socketio.Options) (one, other *node, m []member) {
	_, one, other = neighbours(t, func() socketio.Options { return o })
	m = one.members(t, []string{"a"}, []string{"a", "b"})
	return one, other, append(m, other.members(t, []string{"a"}, []string{"b"})...)
}

func TestSocketsOfAllNodesAreAddressed(t *testing.T) {
	one, other, m := spread(t, socketio.Options{})
	m[2].Set("name", "ann")
	m[2].Set("secret", func() {})
	fetch := func(b socketio.Broadcast) (ids []string) {
		t.Helper()
		all, err := b.FetchSockets(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, s := range all {
			ids = append(ids, s.ID)
		}
		sort.Strings(ids)
		return ids
	}
	want := func(name string, b socketio.Broadcast, members ...int) {
		t.Helper()
		ids := []string{}
		for _, i := range members {
			ids = append(ids, m[i].ID())
		}
		sort.Strings(ids)
		if got := fetch(b); !slices.Equal(got, ids) {
			t.Errorf("%s: %v instead of %v", name, got, ids)
		}
	}
	want("all", one.To(), 0, 1, 2, 3)
	want("a room", one.In("a"), 0, 1, 2)
	want("all but a room", other.Except("b"), 0, 2)
	want("all but a socket elsewhere", one.Except(m[2].ID()), 0, 1, 3)
	want("the others", m[0].Broadcast(), 1, 2, 3)
	want("this node", one.In("a").Local(), 0, 1)
	all, err := one.To(m[2].ID()).FetchSockets(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	s := all[0]
	if s.Node != "other" || !slices.Equal(s.Rooms, []string{"a"}) || string(s.Data["name"]) != `"ann"` || len(s.Data) != 1 || s.Transport != "websocket" || s.Remote == "" || s.Opened.IsZero() {
		t.Errorf("%+v", s)
	}

	if err := one.In("b").SocketsJoin("c"); err != nil {
		t.Error(err)
	}
	want("those that have joined", other.In("c"), 1, 3) // at once
	if err := other.To(m[1].ID(), m[3].ID()).SocketsLeave("c", "b"); err != nil {
		t.Error(err)
	}
	want("those that have left", one.In("b", "c"))
	if err := s.Join("d"); err != nil || !slices.Contains(m[2].Rooms(), "d") {
		t.Errorf("%v, %v", err, m[2].Rooms())
	}
	if err := s.Leave("d"); err != nil || slices.Contains(m[2].Rooms(), "d") {
		t.Errorf("%v, %v", err, m[2].Rooms())
	}
	if err := one.In("a").SocketsJoin(strings.Repeat("x", 1000)); err == nil {
		t.Error("a room of a name that is none was joined")
	}
	if err := one.To(m[3].ID()).SocketsJoin(strings.Repeat("x", 1000)); !isCode(err, hub.BadChannel) {
		t.Errorf("elsewhere a room of a name that is none was joined: %v", err)
	}
	s.Emit("hello", []byte("b"))
	m[2].expect(`451-["hello",{"_placeholder":true,"num":0}]`, "b:b")
	if err := one.In("a").Except(m[0].ID()).DisconnectSockets(false); err != nil {
		t.Error(err)
	}
	m[1].expect("41")
	m[2].expect("41")
	want("the rest", one.To(), 0, 3)
	if err := s.Disconnect(true); err != nil {
		t.Error(err)
	}
	if _, err := s.EmitWithAck(t.Context(), "x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("one that has gone: %v", err)
	}
}

func isCode(err error, code hub.Code) bool {
	refusal, _ := hub.RefusalOf(err)
	return refusal.Code == code
}

// asking begins to ask, and returns where the outcome comes.
func asking(ctx context.Context, b socketio.Broadcast) <-chan asked {
	c := make(chan asked, 1)
	go func() {
		replies, err := b.EmitWithAck(ctx, "q", 1)
		c <- asked{replies, err}
	}()
	return c
}

type asked struct {
	replies []socketio.Reply
	err     error
}

// answer reads a question and answers it.
func (p *peer) answer(with string) {
	p.t.Helper()
	p.send(p.question() + with)
}

// question reads a question, and returns how the answer begins.
func (p *peer) question() (head string) {
	p.t.Helper()
	var id int
	question := p.next()
	if _, err := fmt.Sscanf(question, `42%d["q",1]`, &id); err != nil {
		p.t.Fatalf("%q: %v", question, err)
	}
	return fmt.Sprint("43", id)
}

func TestTheSocketsOfAllNodesAnswer(t *testing.T) {
	one, _, m := spread(t, socketio.Options{})
	c := asking(t.Context(), one.In("a"))
	m[0].answer(`[0]`)
	m[1].answer(`[1]`)
	head := m[2].question()
	m[2].send(strings.Replace(head, "43", "461-", 1)+`[{"_placeholder":true,"num":0}]`, "b:x")
	got := await(t, c)
	if got.err != nil || len(got.replies) != 3 {
		t.Fatalf("%+v", got)
	}
	for _, r := range got.replies {
		if b, is := r.Bytes(0); r.Socket == m[2].ID() && (!is || string(b) != "x") {
			t.Errorf("%+v", r)
		}
	}
	m[3].alive()

	ctx, cancel := context.WithCancel(t.Context())
	c = asking(ctx, one.In("b")) // one does not answer
	m[1].answer(`[1]`)
	m[1].alive() // its answer has been taken
	m[3].question()
	cancel()
	var incomplete *socketio.Incomplete
	if got := await(t, c); !errors.Is(got.err, socketio.ErrTimeout) || errors.As(got.err, &incomplete) || len(got.replies) != 1 || !strings.Contains(got.err.Error(), "1 of 2") {
		t.Errorf("%+v", got)
	}
	c = asking(t.Context(), one.To(m[3].ID())) // goes without an answer
	m[3].question()
	m[3].close()
	if got := await(t, c); !errors.Is(got.err, socketio.ErrDisconnected) || len(got.replies) != 0 {
		t.Errorf("%+v", got)
	}
	all, err := one.To(m[2].ID()).FetchSockets(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	done := make(chan error, 1)
	go func() {
		args, err := all[0].EmitWithAck(t.Context(), "q", 1)
		if err == nil && string(args.JSON(0)) != `"yes"` {
			err = fmt.Errorf("it answered %s", args.JSON(0))
		}
		done <- err
	}()
	m[2].answer(`["yes"]`)
	if err := await(t, done); err != nil {
		t.Error(err)
	}
}

func TestNodesThatDoNotAnswerAreNamed(t *testing.T) {
	w := impatient()
	one := w.build(t, "one", socketio.Options{})
	w.build(t, "other", socketio.Options{})
	m := one.members(t, []string{"a"}, []string{"a", "b"})
	w.silence("other", true)
	var incomplete *socketio.Incomplete
	is := func(what string, err error) {
		t.Helper()
		if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Nodes, []string{"other"}) || !isCode(err, hub.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	all, err := one.FetchSockets(t.Context())
	if is("fetch", err); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	is("join", one.In("a").SocketsJoin("c"))
	if !slices.Contains(m[0].Rooms(), "c") {
		t.Error("those of this node have not joined")
	}
	is("leave", one.In("a").SocketsLeave("c"))
	c := asking(t.Context(), one.In("a")) // with the patience for sockets, which is longer
	m[0].answer(`[0]`)
	m[1].answer(`[1]`)
	got := await(t, c)
	if is("ask", got.err); len(got.replies) != 2 || errors.Is(got.err, socketio.ErrTimeout) {
		t.Errorf("%+v", got)
	}
	is("disconnect", one.DisconnectSockets(false))
	m[0].expect("41")
}

// Handlers of several nodes that ask each other at the same time do not wait for each other's end.
func TestHandlersOfServersMayAskTheOtherNodes(t *testing.T) {
	w := newTown()
	var nodes []*node
	for _, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, w.build(t, name, socketio.Options{}))
	}
	var together sync.WaitGroup
	together.Add(2)
	done := make(chan error, 2)
	for _, n := range nodes[1:] {
		n.OnServerSide("look", func() {
			together.Done()
			together.Wait()
			_, err := n.FetchSockets(context.Background())
			done <- err
		})
	}
	if err := nodes[0].ServerSideEmit("look"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := await(t, done); err != nil {
			t.Error(err)
		}
	}
}

func TestEventsOfOtherServersAreHandledInOrderAndHoldNothingElseUp(t *testing.T) {
	_, one, other := neighbours(t, func() socketio.Options { return socketio.Options{} })
	m := other.members(t, []string{"a"})
	turn, order := make(chan struct{}), make(chan string, 3)
	for _, name := range []string{"first", "second"} {
		other.OnServerSide(name, func() {
			<-turn
			order <- name
		})
		if err := one.ServerSideEmit(name); err != nil {
			t.Fatal(err)
		}
	}
	other.OnServerSide("third", func(ack socketio.Ack) {
		order <- "third"
		ack.Send()
	})
	answered := make(chan error, 1)
	go func() {
		_, err := one.ServerSideEmitWithAck(t.Context(), "third")
		answered <- err
	}()
	one.To(m[0].ID()).Emit("direct") // while the first is being handled
	m[0].expect(`42["direct"]`)
	if err := one.In("a").SocketsJoin("b"); err != nil {
		t.Error(err)
	}
	close(turn)
	for _, want := range []string{"first", "second", "third"} {
		if got := await(t, order); got != want {
			t.Errorf("%s was handled when %s was due", got, want)
		}
	}
	if err := await(t, answered); err != nil {
		t.Error(err)
	}
}
