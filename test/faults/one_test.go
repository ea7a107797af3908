//go:build linux

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/test/simulation"
	"github.com/ringdown/ringdown/websocket"
)

// hearEachOther has readers on one node read what is published on another.
func hearEachOther(t *testing.T, f *fleet) {
	a, b := f.nodes[0], f.nodes[1]
	log := simulation.NewLog()
	onB := &crowd{address: b.address, log: log}
	ctx, cancel := newPatience(t)
	defer cancel()
	began := a.say(t, "hall", "before").Cursor // of a, and used on b
	a.say(t, "hall", "missed")
	var reads sync.WaitGroup
	for _, over := range everyTransport {
		r := &reader{crowd: onB, name: string(over), channel: "hall", over: over, cursor: began}
		onB.readers = append(onB.readers, r)
		reads.Go(func() { r.run(ctx, t) })
	}
	onB.until(t, "everybody has what was missed", func(r *reader) bool { return r.seen() == "missed" })
	at := a.say(t, "hall", "live")
	onB.until(t, "everybody hears it live", func(r *reader) bool { return r.seen() == "live" })
	for _, r := range onB.readers {
		eventually(t, "the cursor of "+r.name+" is that of the publisher", func() bool { return r.at() == at.Cursor })
	}
	cancel()
	reads.Wait()
	for _, e := range log.Entries() {
		if e.What == simulation.Nonsense || e.What == simulation.Missed || e.What == simulation.Told && !e.Recovered {
			t.Errorf("%+v", e)
		}
	}
}

// at is where the reader is.
func (r *reader) at() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.place
}

// line is a client of the native protocol that waits for its end.
type line struct {
	*websocket.Conn
	ended chan error
}

// connect subscribes to channels on a node.
func (p *process) connect(t *testing.T, query string, channels ...string) *line {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+p.address+"/connect?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{c, make(chan error, 1)}
	t.Cleanup(func() { c.CloseNow(); <-l.ended })
	for i, channel := range channels {
		c.Write(t.Context(), websocket.Text, fmt.Appendf(nil, `{"type":"subscribe","id":%d,"channel":%q}`, i+1, channel))
	}
	joined := make(chan struct{})
	go func() {
		left := len(channels)
		for {
			_, text, err := c.Read(context.Background())
			if err != nil {
				l.ended <- err
				close(l.ended)
				return
			}
			if strings.Contains(string(text), `"subscribed"`) {
				if left--; left == 0 {
					close(joined)
				}
			}
		}
	}()
	select {
	case <-joined:
	case err := <-l.ended:
		t.Fatal(err)
	}
	return l
}

// whole is an answer of the API, with what the tests look at.
type whole struct {
	Channels []struct {
		Channel     string
		Subscribers int
	}
	Members           []struct{ User string }
	Nodes             []struct{ Name string }
	Sessions, Changed any
	Total             int
	Incomplete        []string
	Revoked           bool
}

func TestTheAPIOfANodeIsThatOfAllAndADeadNodeLeaves(t *testing.T) {
	t.Parallel()
	broker := redis(t)
	rules := `rules=[{pattern: "*", publish: everyone, presence: true, history: {count: 100}}]`
	start := func(name string) *process { return join(t, name, "127.0.0.1:0", broker.URL(), "--set", rules) }
	a, b := start("a"), start("b")
	eventually(t, "the nodes know each other", func() bool {
		var is whole
		return a.ask(t, "GET", "/api/v1/nodes", "", &is) == 200 && len(is.Nodes) == 2
	})
	a.connect(t, "user=ann", "lobby")
	ann := b.connect(t, "user=ann", "lobby", "news")
	b.connect(t, "user=bob", "lobby")
	var is whole
	if a.ask(t, "GET", "/api/v1/channels", "", &is); is.Total != 2 || is.Channels[0].Subscribers != 3 || is.Incomplete != nil {
		t.Errorf("the channels are %+v", is)
	}
	if a.ask(t, "GET", "/api/v1/users/ann/sessions", "", &is); is.Total != 2 || is.Incomplete != nil {
		t.Errorf("the sessions are %+v", is)
	}
	var present whole
	if a.ask(t, "GET", "/api/v1/channels/lobby/presence", "", &present); fmt.Sprint(present.Sessions, present.Members) != "3 [{ann} {ann} {bob}]" {
		t.Errorf("present are %+v", present)
	}
	if a.ask(t, "POST", "/api/v1/disconnect", `{"user":"ann","code":4001,"reason":"go"}`, &is); fmt.Sprint(is.Sessions, is.Changed) != "2 2" {
		t.Errorf("disconnected: %+v", is)
	}
	if err := <-ann.ended; websocket.CloseStatus(err) != 4001 {
		t.Errorf("the client of the other node ended with %v", err)
	}
	b.cmd.Process.Kill()
	<-b.logged
	var partial whole
	if a.ask(t, "GET", "/api/v1/users/bob/sessions", "", &partial); !slices.Equal(partial.Incomplete, []string{"b"}) {
		t.Errorf("with a node that has just died the answer is %+v", partial)
	}
	eventually(t, "the dead node's members have left", func() bool {
		var is whole
		return a.ask(t, "GET", "/api/v1/channels/lobby/presence", "", &is) == 200 && fmt.Sprint(is.Sessions) == "0"
	})
	eventually(t, "the dead node is forgotten", func() bool {
		var is whole
		return a.ask(t, "GET", "/api/v1/nodes", "", &is) == 200 && len(is.Nodes) == 1 && is.Incomplete == nil
	})
}
