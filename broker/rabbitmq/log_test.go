package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// fakeLog is a log in memory, which may lose its beginning or its end. Everything happens in the goroutine of the test.
type fakeLog struct {
	t     *testing.T
	first int // what comes before is dropped
	all   [][]byte
	nodes []*fakeNode
}

// fakeNode follows one log, without a network.
type fakeNode struct {
	*Broker
	p    *partition
	log  *fakeLog
	next int // to be read
	up   bool
	told []string
}

func (n *fakeNode) Deliver(p *hub.Publication) { n.told = append(n.told, string(p.Payload)) }
func (n *fakeNode) Present(e hub.PresenceEvent) {
	n.told = append(n.told, fmt.Sprint(map[bool]string{true: "+", false: "-"}[e.Joined], e.Member.Session))
}
func (n *fakeNode) Interrupted(string) { n.told = append(n.told, "interrupted") }

func (l *fakeLog) node(name string) *fakeNode {
	b, err := New(Options{URL: "amqp://localhost", Node: name})
	if err != nil {
		l.t.Fatal(err)
	}
	n := &fakeNode{Broker: b, p: b.partitions[0], log: l}
	b.sink = n
	l.nodes = append(l.nodes, n)
	return n
}

// connect begins a session, and runs until nothing moves.
func (n *fakeNode) connect() {
	n.log.t.Helper()
	from, known := n.p.begin()
	n.next, n.up = n.log.first, true
	if known {
		n.next = max(n.next, int(from))
	}
	n.log.run()
}

func (n *fakeNode) disconnect() {
	n.up = false
	n.p.end()
}

// run carries what is written into the log and to all nodes.
func (l *fakeLog) run() {
	l.t.Helper()
	for moved := true; moved; {
		moved = false
		for _, n := range l.nodes {
			if !n.up {
				continue
			}
			for _, body := range n.p.take() {
				l.all = append(l.all, body)
				moved = true
			}
			for n.up && n.next < len(l.all) {
				at := n.next
				n.next++
				moved = true
				if err := n.p.read(uint64(at), l.all[at]); errors.Is(err, errReplay) {
					n.disconnect()
					n.connect()
				} else if err != nil {
					l.t.Fatal(err)
				}
			}
		}
	}
}

func (n *fakeNode) say(text string) *call {
	return n.p.propose(record{Kind: publish, Channel: "lobby", Epoch: hub.NewEpoch(), Count: 100, Lifetime: forever.Microseconds(),
		Body: wire.AppendContent(nil, &hub.Publication{Payload: []byte(text)})}, true, nil)
}

func (n *fakeNode) listen() {
	n.p.propose(record{Kind: touch, Channel: "lobby", Epoch: hub.NewEpoch(), Lifetime: forever.Microseconds()}, true,
		func(*outcome) { n.p.subs["lobby"] = hub.Retention{Count: 100} })
	n.log.run()
}

// history is the epoch and what is kept.
func (n *fakeNode) history() (epoch, kept string) {
	c := n.p.state.find("lobby")
	if c == nil {
		return "", ""
	}
	var texts []string
	for _, e := range c.Kept {
		var p hub.Publication
		wire.DecodeContent(&p, e.Content)
		texts = append(texts, string(p.Payload))
	}
	return c.Epoch, strings.Join(texts, " ")
}

func (n *fakeNode) wasTold(want ...string) {
	n.log.t.Helper()
	if !slices.Equal(n.told, want) {
		n.log.t.Errorf("%s was told %q, want %q", n.Node(), n.told, want)
	}
	n.told = nil
}

func TestWhatIsMissedComesAfterwards(t *testing.T) {
	l := &fakeLog{t: t}
	a, b := l.node("a"), l.node("b")
	a.connect()
	b.connect()
	b.listen()
	b.disconnect()
	for i := range 3 {
		a.say(fmt.Sprint(i))
	}
	l.run()
	b.connect()
	b.wasTold("0", "1", "2")
}

// What was sent may or may not have come; sent again, it is published once and answered.
func TestACallIsSentAgainAndDoneOnce(t *testing.T) {
	for _, arrived := range []bool{true, false} {
		l := &fakeLog{t: t}
		a, b := l.node("a"), l.node("b")
		a.connect()
		b.connect()
		b.listen()
		calls := []*call{a.say("1"), a.say("2")}
		sent := a.p.take()
		a.disconnect()
		if arrived {
			l.all = append(l.all, sent[0])
		}
		a.connect()
		if !arrived { // from the connection before, long after it has ended
			l.all = append(l.all, sent...)
		}
		l.run()
		b.wasTold("1", "2")
		for i, c := range calls {
			if !c.ended() || c.err != nil || c.out.published.Offset != uint64(i+1) {
				t.Errorf("arrived %v: call %d is answered %+v, %v", arrived, i, c.out.published, c.err)
			}
		}
	}
}

// A log that comes back without its end would give the same offsets twice: everything begins anew, whoever notices it first, and once.
func TestALogThatHasLostItsEndBeginsAnew(t *testing.T) {
	for _, meanwhile := range []int{0, 1, 10} { // what is written before anybody notices
		l := &fakeLog{t: t}
		a, b, c := l.node("a"), l.node("b"), l.node("c")
		for _, n := range l.nodes {
			n.connect()
			n.listen()
		}
		a.p.propose(record{Kind: join, Channel: "lobby", Body: wire.AppendMember(nil, hub.Member{Session: "s1"})}, true,
			func(*outcome) { a.p.own[membership{"lobby", "s1"}] = hub.Member{Session: "s1"} })
		a.say("kept")
		l.run()
		c.disconnect()
		length := len(l.all)
		a.say("lost 1")
		b.say("lost 2")
		l.run()
		before, _ := a.history()
		a.disconnect()
		b.disconnect()
		l.all = l.all[:length]
		for _, n := range l.nodes {
			n.wasTold(map[bool][]string{true: {"+s1", "kept", "lost 1", "lost 2"}, false: {"+s1", "kept"}}[n != c]...)
		}
		c.connect()
		for i := range meanwhile {
			c.say(fmt.Sprint(i))
		}
		l.run()
		c.told = nil
		for _, n := range []*fakeNode{a, b} {
			n.connect()
			if n.p.suspect = !n.p.isLive() && !n.p.verified; n.p.suspect { // nothing comes: what a session finds out by time
				n.disconnect()
				n.connect()
			}
			n.wasTold("interrupted")
		}
		c.wasTold("interrupted")
		c.say("after")
		l.run()
		for _, n := range l.nodes {
			if epoch, kept := n.history(); epoch == before || kept != "after" || !n.p.isLive() {
				t.Errorf("%s: epoch %s after %s, kept %q, live %v", n.Node(), epoch, before, kept, n.p.isLive())
			}
			if n.p.state.Rooms["lobby"] == nil {
				t.Errorf("%s: the member has gone", n.Node())
			}
			n.wasTold("after")
		}
	}
}

// A node that was away for so long that the log has dropped what it had read gets on with a snapshot, and the hub compares.
func TestANodeThatWasAwayForTooLongIsGivenASnapshot(t *testing.T) {
	l := &fakeLog{t: t}
	a, b, late := l.node("a"), l.node("b"), l.node("late")
	a.connect()
	b.connect()
	b.listen()
	b.disconnect()
	for i := range 5 {
		a.say(fmt.Sprint(i))
	}
	l.run()
	l.first = len(l.all) - 1
	epoch, kept := a.history()
	for _, n := range []*fakeNode{b, late} {
		n.connect()
		if e, k := n.history(); e != epoch || k != kept || !n.p.isLive() {
			t.Errorf("%s has %q of %s, live %v; want %q of %s", n.Node(), k, e, n.p.isLive(), kept, epoch)
		}
	}
	b.wasTold("interrupted")
	late.wasTold()
	a.say("next")
	l.run()
	b.wasTold("next")
}

func TestALogWithoutBeginningThatNobodyKnowsBeginsAnew(t *testing.T) {
	l := &fakeLog{t: t}
	a := l.node("a")
	a.connect()
	a.say("old")
	l.run()
	a.disconnect()
	l.first = len(l.all) - 1
	late := l.node("late")
	late.connect()
	for range 5 {
		late.p.beat()
		l.run()
	}
	if !late.p.isLive() {
		t.Fatal("it waits for ever")
	}
	late.say("new")
	l.run()
	a.connect()
	for _, n := range l.nodes {
		if _, kept := n.history(); kept != "new" {
			t.Errorf("%s has %q", n.Node(), kept)
		}
	}
}

func TestACallThatIsGivenUpSaysWhetherItWasSent(t *testing.T) {
	l := &fakeLog{t: t}
	a := l.node("a")
	ended, end := context.WithCancel(t.Context())
	end()
	_, unknown := errors.AsType[maybe](a.p.wait(ended, a.say("x")))
	if unknown {
		t.Error("what was not sent may have been done")
	}
	a.connect()
	c := a.say("y")
	a.p.take()
	if _, unknown := errors.AsType[maybe](a.p.wait(ended, c)); !unknown {
		t.Error("what was sent cannot have been done")
	}
}

// While RabbitMQ is away, or takes nothing, calls come and are given up.
func TestNothingIsLeftOfCallsThatWereGivenUp(t *testing.T) {
	for _, up := range []bool{false, true} {
		l := &fakeLog{t: t}
		n := l.node("a")
		if up {
			n.connect()
			n.up = false // nothing is written any more
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 1000 {
			c := n.p.propose(record{Kind: publish, Channel: "lobby", Body: make([]byte, 1000)}, true, nil)
			if err := n.p.wait(ctx, c); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if len(n.p.queue) > 10 || len(n.p.pending) > 10 {
			t.Errorf("up %v: %d calls are queued and %d pending, though nobody waits any more", up, len(n.p.queue), len(n.p.pending))
		}
	}
}

// What a heartbeat has proposed and RabbitMQ does not take is not proposed again with each.
func TestHeartbeatsDoNotPileUpWhileNothingIsTaken(t *testing.T) {
	l := &fakeLog{t: t}
	n := l.node("a")
	n.connect()
	n.up = false
	n.blocked.Store(true)
	n.p.owe(membership{"lobby", "s1"})
	for range 100 {
		n.p.beat()
	}
	if len(n.p.queue) > 1 || len(n.p.pending) > 1 {
		t.Errorf("%d calls are queued and %d pending after 100 heartbeats", len(n.p.queue), len(n.p.pending))
	}
}
