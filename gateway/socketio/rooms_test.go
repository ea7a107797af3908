// Rooms are channels, and broadcasts are publications.

package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

// member is a client and its socket.
type member struct {
	*peer
	*socketio.Socket
}

// members connects clients that are in rooms.
func (n *node) members(t *testing.T, rooms ...[]string) []member {
	t.Helper()
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(answering(func(s *socketio.Socket) { sockets <- s }))
	all := make([]member, len(rooms))
	for i, in := range rooms {
		p := n.dial(t)
		p.connect("/", "")
		all[i] = member{p, await(t, sockets)}
		if err := all[i].Join(in...); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestBroadcastsReachWhomTheyAddress(t *testing.T) {
	n := start(t, socketio.Options{})
	m := n.members(t, []string{"a"}, []string{"a", "b"}, []string{"b"}, nil)
	for _, c := range []struct {
		name string
		emit func(event string) error
		want []int
	}{
		{"all", func(e string) error { return n.Emit(e) }, []int{0, 1, 2, 3}},
		{"a room", func(e string) error { return n.To("a").Emit(e) }, []int{0, 1}},
		{"two rooms, each socket once", func(e string) error { return n.To("a").In("b").Emit(e) }, []int{0, 1, 2}},
		{"the same room twice", func(e string) error { return n.To("a", "a").Emit(e) }, []int{0, 1}},
		{"all but a room", func(e string) error { return n.Except("a").Emit(e) }, []int{2, 3}},
		{"a room but another", func(e string) error { return n.To("a").Except("b").Emit(e) }, []int{0}},
		{"a socket", func(e string) error { return n.To(m[3].ID()).Emit(e) }, []int{3}},
		{"a socket and a room that it is in", func(e string) error { return n.To(m[0].ID(), "a").Emit(e) }, []int{0, 1}},
		{"a socket but a room that it is in", func(e string) error { return n.To(m[0].ID()).Except("a").Emit(e) }, nil},
		{"all but a socket", func(e string) error { return n.Except(m[3].ID()).Emit(e) }, []int{0, 1, 2}},
		{"the others", func(e string) error { return m[0].Broadcast().Emit(e) }, []int{1, 2, 3}},
		{"the others of a room", func(e string) error { return m[0].To("a").Emit(e) }, []int{1}},
		{"those of a room where it is not", func(e string) error { return m[0].To("b").Emit(e) }, []int{1, 2}},
		{"the others but a room", func(e string) error { return m[0].Except("b").Emit(e) }, []int{3}},
		{"itself alone", func(e string) error { return m[0].To(m[0].ID()).Emit(e) }, nil},
		{"this node", func(e string) error { return n.Local().To("a").Emit(e) }, []int{0, 1}},
		{"the others of this node", func(e string) error { return m[1].Broadcast().Local().Except("b").Emit(e) }, []int{0, 3}},
		{"those who read", func(e string) error { return n.Volatile().To("b").Emit(e) }, []int{1, 2}},
		{"nobody", func(e string) error { return n.To("nobody").Emit(e) }, nil},
	} {
		if err := c.emit("x"); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i := range m {
			if slices.Contains(c.want, i) {
				m[i].expect(`42["x"]`)
			}
			m[i].alive() // and nothing else came
		}
	}
}

func TestRoomsAreJoinedAndLeftByAddress(t *testing.T) {
	n := start(t, socketio.Options{})
	m := n.members(t, []string{"a"}, []string{"a", "b"}, nil)
	ids := func(all []*socketio.Socket) (ids []string) {
		for _, s := range all {
			ids = append(ids, s.ID())
		}
		slices.Sort(ids)
		return ids
	}
	want := func(name string, all []*socketio.Socket, members ...int) {
		t.Helper()
		var wanted []*socketio.Socket
		for _, i := range members {
			wanted = append(wanted, m[i].Socket)
		}
		if !slices.Equal(ids(all), ids(wanted)) {
			t.Errorf("%s: %v", name, ids(all))
		}
	}
	want("all", n.Sockets(), 0, 1, 2)
	want("a but b", n.In("a").Except("b").Sockets(), 0)
	if err := n.In("a").SocketsJoin("c"); err != nil {
		t.Error(err)
	}
	want("c", n.In("c").Sockets(), 0, 1)
	n.In("b").SocketsLeave("a", "c")
	want("a and c", n.In("a", "c").Sockets(), 0)
	if rooms := m[0].Rooms(); !slices.Equal(rooms, []string{m[0].ID(), "a", "c"}) {
		t.Error(rooms)
	}
	n.In("b").DisconnectSockets(false)
	m[1].expect("41")
	want("the rest", n.Sockets(), 0, 2)
}

func TestABroadcastGathersAcknowledgements(t *testing.T) {
	n := start(t, socketio.Options{})
	m := n.members(t, []string{"a"}, []string{"a"}, nil)
	type outcome struct {
		replies []socketio.Reply
		err     error
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ask := func(b socketio.Broadcast) <-chan outcome {
		c := make(chan outcome, 1)
		go func() {
			replies, err := b.EmitWithAck(ctx, "q", []byte("x"))
			c <- outcome{replies, err}
		}()
		return c
	}
	asked := ask(n.To("a"))
	for i := range 2 {
		m[i].expect(`451-1["q",{"_placeholder":true,"num":0}]`, "b:x")
		m[i].send(fmt.Sprintf(`431[%d]`, i))
	}
	got := await(t, asked)
	if got.err != nil || len(got.replies) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, r := range got.replies {
		var i int
		if err := r.Decode(&i); err != nil || r.Socket != m[i].ID() {
			t.Errorf("%+v: %v", r, err)
		}
	}
	m[2].alive()

	if got := await(t, ask(n.To("nobody"))); got.err != nil || len(got.replies) != 0 {
		t.Errorf("nobody: %+v", got)
	}

	asked = ask(m[0].Broadcast()) // the others; one of them does not answer
	m[1].expect(`451-3["q",{"_placeholder":true,"num":0}]`, "b:x")
	m[1].send(`433[]`)
	m[1].alive() // its answer has been taken
	m[2].expect(`451-3["q",{"_placeholder":true,"num":0}]`, "b:x")
	cancel()
	if got := await(t, asked); !errors.Is(got.err, socketio.ErrTimeout) || len(got.replies) != 1 || got.replies[0].Socket != m[1].ID() {
		t.Errorf("%+v", got)
	}
}

// listener is a client of the hub that speaks another protocol.
type listener struct {
	mu  sync.Mutex
	got []*hub.Publication
}

func (l *listener) Notify(*hub.Notice) {}
func (l *listener) End(error)          {}
func (l *listener) Receive(p *hub.Publication) hub.Reception {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, p)
	return hub.Taken
}

func TestClientsOfOtherProtocolsSeeTheSame(t *testing.T) {
	n := start(t, socketio.Options{})
	l := &listener{}
	session, err := n.hub.Open(l, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Subscribe(t.Context(), "news", hub.SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	m := n.members(t, []string{"news"})
	for _, c := range []struct {
		args    []any
		kind    hub.Kind
		payload string
		form    hub.Form
		wire    []string
	}{
		{nil, hub.JSON, `[]`, hub.Spread, []string{`42["e"]`}},
		{[]any{"text"}, hub.Text, `text`, 0, []string{`42["e","text"]`}},
		{[]any{json.RawMessage(`"raw"`)}, hub.Text, `raw`, 0, []string{`42["e","raw"]`}},
		{[]any{map[string]int{"usd": 12}}, hub.JSON, `{"usd":12}`, 0, []string{`42["e",{"usd":12}]`}},
		{[]any{[]int{1, 2}}, hub.JSON, `[1,2]`, 0, []string{`42["e",[1,2]]`}},
		{[]any{[]byte("b")}, hub.Binary, `b`, 0, []string{`451-["e",{"_placeholder":true,"num":0}]`, "b:b"}},
		{[]any{1, "two"}, hub.JSON, `[1,"two"]`, hub.Spread, []string{`42["e",1,"two"]`}},
		{[]any{1, []byte("b")}, hub.JSON, `[1,{"base64":"Yg=="}]`, hub.Spread | hub.Embedded, []string{`451-["e",1,{"_placeholder":true,"num":0}]`, "b:b"}},
		{[]any{struct{ F socketio.Bytes }{[]byte("b")}}, hub.JSON, `{"F":{"base64":"Yg=="}}`, hub.Embedded, []string{`451-["e",{"F":{"_placeholder":true,"num":0}}]`, "b:b"}},
	} {
		if err := n.To("news").Emit("e", c.args...); err != nil {
			t.Fatal(err)
		}
		p := l.got[len(l.got)-1]
		if p.Event != "e" || p.Kind != c.kind || string(p.Payload) != c.payload || p.Form != c.form {
			t.Errorf("%v: %+v", c.args, p)
		}
		m[0].expect(c.wire...)
	}
	for _, c := range []struct {
		*hub.Publication
		want []string
	}{
		{&hub.Publication{Event: "price", Kind: hub.JSON, Payload: []byte(` {"a":[1]} `)}, []string{`42["price",{"a":[1]}]`}},
		{&hub.Publication{Kind: hub.Text, Payload: []byte("hi \"you\"")}, []string{`42["message","hi \"you\""]`}},
		{&hub.Publication{Kind: hub.Binary, Payload: []byte{0}}, []string{`451-["message",{"_placeholder":true,"num":0}]`, "b:\x00"}},
		{&hub.Publication{Event: "disconnect", Kind: hub.Text}, []string{`42["message",""]`}},
		{&hub.Publication{Kind: hub.JSON, Payload: []byte(" [ ] "), Form: hub.Spread}, []string{`42["message"]`}},
	} {
		c.Channel = "news"
		if _, err := n.hub.Publish(t.Context(), c.Publication, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		m[0].expect(c.want...)
	}
}

func TestRoomsOfNamespacesAreTheirOwn(t *testing.T) {
	n := start(t, socketio.Options{})
	join := make(chan error, 1)
	n.Of("/admin").OnConnection(func(s *socketio.Socket) {
		join <- s.Join("room")
		s.On("rooms", func(ack socketio.Ack) { ack.Send(s.Rooms()[1:]) })
	})
	p := n.dial(t)
	p.connect("/admin", "")
	if err := await(t, join); err != nil {
		t.Fatal(err)
	}
	if n.hub.Subscribers("/admin,room") != 1 || n.hub.Subscribers("/admin,") != 1 || n.hub.Subscribers("room") != 0 {
		t.Error("the channels are not the room's and the namespace's")
	}
	n.To("room").Emit("not here")
	n.Of("/admin").To("room").Emit("here", strings.Repeat("x", 10))
	p.expect(`42/admin,["here","xxxxxxxxxx"]`)
	p.send(`42/admin,1["rooms"]`)
	p.expect(`43/admin,1[["room"]]`)
}

func TestEventsMaySayWhereTheyComeFrom(t *testing.T) {
	n := start(t, socketio.Options{Origin: true})
	m := n.members(t, []string{"news"})
	for i, args := range [][]any{nil, {1}, {1, "two"}} {
		n.To("news").Emit("e", args...)
		got := m[0].next()
		var all []any
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "42")), &all); err != nil || len(all) != len(args)+2 {
			t.Fatalf("%s: %v", got, err)
		}
		origin, _ := all[len(all)-1].(map[string]any)
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(origin["time"])); err != nil || origin["channel"] != "news" || origin["offset"] != float64(i+1) {
			t.Errorf("%s: %v", got, err)
		}
	}
	m[0].Emit("direct")
	m[0].expect(`42["direct"]`)
}
