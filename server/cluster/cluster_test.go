package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// net connects nodes within a process; it can lose what is told to one of them.
type net struct {
	mu    sync.Mutex // guards what follows
	sinks map[string]hub.ClusterSink
	deaf  map[string]bool
	away  bool
}

// wire is a node's broker.
type wire struct {
	*memory.Broker
	net  *net
	name string
	key  string // the name, and "'" after that of a namesake
}

func (w *wire) Start(s hub.Sink) error {
	w.net.mu.Lock()
	w.net.sinks[w.key] = s.(hub.ClusterSink)
	w.net.mu.Unlock()
	return w.Broker.Start(s)
}
func (w *wire) Node() string { return w.name }
func (w *wire) Tell(_ context.Context, to string, text []byte) error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	for key, sink := range w.net.sinks {
		if name := strings.TrimSuffix(key, "'"); (name == to || to == "" && name != w.name) && !w.net.deaf[name] {
			sink.Told(w.name, bytes.Clone(text))
		}
	}
	return nil
}
func (w *wire) Nodes(context.Context) (all []hub.Node, err error) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.net.away {
		return nil, errors.New("away")
	}
	for key := range w.net.sinks {
		name := strings.TrimSuffix(key, "'")
		if slices.ContainsFunc(all, func(n hub.Node) bool { return n.Name == name }) {
			continue
		}
		all = append(all, hub.Node{Name: name})
	}
	return all, nil
}
func (w *wire) Announce([]byte)                                             {}
func (w *wire) Keep(context.Context, string, []byte, time.Duration) error   { return nil }
func (w *wire) Take(context.Context, string) (v []byte, ok bool, err error) { return nil, false, nil }

type noSink struct{}

func (noSink) Deliver(*hub.Publication)  {}
func (noSink) Present(hub.PresenceEvent) {}
func (noSink) Interrupted(string)        {}

func (n *net) join(t *testing.T, name string, o Options, handlers map[string]Handler) *Cluster {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	c := New(&wire{memory.New(memory.Options{}), n, strings.TrimSuffix(name, "'"), name}, o)
	for kind, h := range handlers {
		c.Handle(kind, h)
	}
	if err := c.Start(noSink{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// deafen has a node hear nothing any more.
func (n *net) deafen(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[name] = true
}

func newNet() *net { return &net{sinks: make(map[string]hub.ClusterSink), deaf: make(map[string]bool)} }

func TestWhatCameBeforeTheAskerGaveUpIsHeard(t *testing.T) {
	n := newNet()
	a, b := n.join(t, "a", Options{}, nil), New(&wire{memory.New(memory.Options{}), n, "b", "b"}, Options{Log: slog.New(slog.DiscardHandler)})
	const parts = 30
	sent := make(chan struct{})
	b.HandleParts("count", func(ctx context.Context, _ string, _ []byte, part func([]byte) error) error {
		for range parts {
			if err := part([]byte("one")); err != nil {
				t.Error(err)
			}
		}
		close(sent)
		<-ctx.Done() // it never ends
		return nil
	})
	if err := b.Start(noSink{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := 0
	missing := a.AskParts(ctx, []string{"b"}, "count", nil, func(string, []byte) bool {
		heard++
		<-sent
		cancel()
		return true
	})
	if heard != parts || !slices.Equal(missing, []string{"b"}) {
		t.Errorf("%d of %d parts were heard; missing are %v", heard, parts, missing)
	}
}

func TestWhatCameBeforeTheTimeWasUpIsHeard(t *testing.T) {
	lost := 0
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			n := newNet()
			a := n.join(t, "a", Options{Timeout: time.Second}, nil)
			for _, name := range []string{"b", "c"} {
				c := New(&wire{memory.New(memory.Options{}), n, name, name}, Options{Timeout: time.Second, Log: a.log})
				c.HandleParts("count", func(ctx context.Context, _ string, _ []byte, part func([]byte) error) error {
					if name == "c" {
						time.Sleep(100 * time.Millisecond)
					}
					return part([]byte("one"))
				})
				if err := c.Start(noSink{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
			}
			heard := 0
			missing := a.AskParts(t.Context(), []string{"b", "c"}, "count", nil, func(string, []byte) bool {
				heard++
				time.Sleep(1100 * time.Millisecond) // c has answered to the end after 0.1 s
				return true
			})
			if heard != 2 || len(missing) > 0 {
				lost++
			}
		})
	}
	if lost > 0 {
		t.Errorf("in %d of 100, an answer that had come after 0.1 s was not heard", lost)
	}
}

func TestAQuestionIsAnsweredByAllThatCanAndTheRestIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		name := func(name string) map[string]Handler {
			return map[string]Handler{"name": func(_ context.Context, from string, body []byte) ([]byte, error) {
				return fmt.Appendf(nil, "%s to %s: %s", name, from, body), nil
			}}
		}
		a := n.join(t, "a", Options{}, name("a"))
		n.join(t, "b", Options{}, name("b"))
		n.join(t, "broken", Options{}, map[string]Handler{"name": func(context.Context, string, []byte) ([]byte, error) { panic("oh") }})
		n.join(t, "deaf", Options{}, name("deaf"))
		n.join(t, "old", Options{}, nil)
		n.deafen("deaf")
		began := time.Now()
		answers, missing := a.Ask(t.Context(), "name", []byte("?"))
		if len(answers) != 1 || string(answers[0].Body) != "b to a: ?" || !slices.Equal(missing, []string{"broken", "deaf", "old"}) {
			t.Errorf("%v, %v", answers, missing)
		}
		if took := time.Since(began); took != defaultTimeout {
			t.Errorf("it took %v", took)
		}
		if body, err := a.AskOne(t.Context(), "b", "name", []byte("!")); err != nil || string(body) != "b to a: !" {
			t.Errorf("%s, %v", body, err)
		}
		if _, err := a.AskOne(t.Context(), "old", "name", nil); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		n.away = true
		if answers, missing := a.Ask(t.Context(), "name", nil); answers != nil || !slices.Equal(missing, []string{Unknown}) {
			t.Errorf("%v, %v", answers, missing)
		}
		if len(a.asked) > 0 {
			t.Errorf("%d questions are remembered", len(a.asked))
		}
	})
}

func TestANodeThatIsBusySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		a := n.join(t, "a", Options{}, nil)
		n.join(t, "b", Options{}, map[string]Handler{"wait": func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		for range maxAnswering {
			go a.AskOne(t.Context(), "b", "wait", nil)
		}
		synctest.Wait()
		if _, err := a.AskOne(t.Context(), "b", "wait", nil); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	})
}

func TestWhatIsToldIsHandledInOrderAndMoreThanFitsIsDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		var heard []string
		doubts := 0
		start := make(chan struct{})
		a := n.join(t, "a", Options{}, nil)
		b := n.join(t, "b", Options{Interrupted: func(context.Context) { doubts++ }}, map[string]Handler{
			"say": func(_ context.Context, _ string, body []byte) ([]byte, error) {
				<-start
				heard = append(heard, string(body))
				return nil, nil
			}})
		synctest.Wait()
		for i := range maxTold + 10 { // one is being handled
			a.Send(t.Context(), "", "say", fmt.Append(nil, i))
			if i == 0 {
				synctest.Wait()
			}
		}
		close(start)
		synctest.Wait()
		if len(heard) != maxTold+1 || !slices.IsSortedFunc(heard[:10], func(x, y string) int { return bytes.Compare([]byte(x), []byte(y)) }) {
			t.Errorf("%d were heard, %v", len(heard), heard[:10])
		}
		if doubts < 2 { // at the start, and for what was lost
			t.Errorf("%d doubts", doubts)
		}
		before := doubts
		ear{noSink{}, b}.Interrupted("")
		ear{noSink{}, b}.Interrupted("news")
		synctest.Wait()
		if doubts != before+1 {
			t.Errorf("%d doubts after an interruption", doubts)
		}
	})
}

func TestWhatLaterVersionsSayIsPassedOver(t *testing.T) {
	n := newNet()
	a := n.join(t, "a", Options{}, nil)
	for _, text := range []string{"", "\x02whatever", "\x01", "\x01Z\x00\x00\x00", "\x01R\x01\x00\x00", "\x01T\x00\x00\x05later"} {
		ear{noSink{}, a}.Told("b", []byte(text))
	}
}

func TestAnAnswerThatCannotBeSentIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		a := n.join(t, "a", Options{}, nil)
		n.join(t, "b", Options{}, map[string]Handler{"all": func(context.Context, string, []byte) ([]byte, error) {
			return make([]byte, maxBody+1), nil
		}})
		began := time.Now()
		_, err := a.AskOne(t.Context(), "b", "all", nil)
		if err == nil || !strings.Contains(err.Error(), "ask for less") || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestWhatAnEarlierRunOfANodeHasAskedIsNoAnswerToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		release := make(chan struct{})
		n.join(t, "b", Options{}, map[string]Handler{
			"slow":  func(context.Context, string, []byte) ([]byte, error) { <-release; return []byte("slow"), nil },
			"never": func(ctx context.Context, _ string, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
		})
		n.join(t, "a", Options{}, nil).AskOne(t.Context(), "b", "slow", nil)
		again := n.join(t, "a", Options{}, nil)
		go func() { time.Sleep(time.Second); close(release) }()
		if body, err := again.AskOne(t.Context(), "b", "never", nil); err == nil {
			t.Errorf("was answered %s", body)
		}
	})
}

func TestOfTwoNodesWithOneNameTheLaterIsNotReadyAndBothSayThatAnswersLackOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		first := n.join(t, "a", Options{}, nil)
		b := n.join(t, "b", Options{}, map[string]Handler{"name": func(context.Context, string, []byte) ([]byte, error) { return nil, nil }})
		time.Sleep(time.Minute)
		second := n.join(t, "a'", Options{}, nil)
		time.Sleep(2 * claimEvery)
		if err := errors.Join(first.Ready(t.Context()), b.Ready(t.Context())); err != nil || second.Ready(t.Context()) == nil {
			t.Errorf("those that were there are not ready: %v; the later one: %v", err, second.Ready(t.Context()))
		}
		for _, c := range []*Cluster{first, second} {
			if answers, missing := c.Ask(t.Context(), "name", nil); len(answers) != 1 || !slices.Equal(missing, []string{"a"}) {
				t.Errorf("%v, %v", answers, missing)
			}
		}
		first.Close()
		time.Sleep(time.Minute)
		if err := second.Ready(t.Context()); err != nil {
			t.Errorf("when the other has gone: %v", err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	m := message{act: asking, id: 300, kind: "channels", body: []byte("{}")}
	text, _ := m.append(nil)
	f.Add(text)
	f.Add([]byte("\x01R\x01\x02\x00why"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parse(text)
		if err != nil || m.act == 0 {
			return
		}
		again, err := m.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := parse(again); err != nil || n.act != m.act || n.id != m.id || n.status != m.status || n.kind != m.kind || !bytes.Equal(n.body, m.body) {
			t.Errorf("%+v became %+v, %v", m, n, err)
		}
	})
}

func TestALineIsHeardByTheSamePartOfOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		var heard []string
		join := func(name string) *Line {
			c := New(&wire{memory.New(memory.Options{}), n, name, name}, Options{Log: slog.New(slog.DiscardHandler)})
			line, other := c.Line("socketio"), c.Line("other")
			if err := c.Start(noSink{}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			line.Start(func(m []byte) { heard = append(heard, name+" "+string(m)) }, nil)
			other.Start(func(m []byte) { t.Errorf("the other line hears %s", m) }, nil)
			return line
		}
		a := join("a")
		join("b")
		if err := a.Send([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(heard, []string{"b hello"}) {
			t.Errorf("%v", heard)
		}
	})
}

func TestALineNamesANodeOfTheSameNameAsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		c := New(&wire{memory.New(memory.Options{}), n, "a", "a"}, Options{Log: slog.New(slog.DiscardHandler)})
		line := c.Line("x")
		if err := c.Start(noSink{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		n.join(t, "a'", Options{}, nil)
		synctest.Wait()
		others, err := line.Others(t.Context())
		if missing := line.Ask(t.Context(), others, nil, nil); err != nil || !slices.Equal(missing, []string{"a"}) {
			t.Errorf("%v, %v", missing, err)
		}
	})
}

func TestAnAnswerMayComeInPartsAndTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		join := func(name string, parts int, pause time.Duration, last error) *Line {
			c := New(&wire{Broker: memory.New(memory.Options{}), net: n, name: name, key: name}, Options{Log: slog.New(slog.DiscardHandler)})
			line := c.Line("x")
			if err := c.Start(noSink{}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			line.Start(nil, func(_ context.Context, question []byte, part func([]byte) error) error {
				if name == "much" { // the others find room
					time.Sleep(time.Millisecond)
				}
				for i := range parts {
					part(fmt.Appendf(nil, "%s%d", question, i))
					time.Sleep(pause)
				}
				return last
			})
			return line
		}
		a := join("a", 0, 0, nil)
		join("b", 3, time.Minute, nil)
		join("deaf", 3, 0, nil)
		join("fails", 1, time.Second, errors.New("oh"))
		join("nothing", 0, 0, nil)
		join("much", 2*maxParts, 0, nil)
		n.join(t, "old", Options{}, nil)
		n.deafen("deaf")
		others, err := a.Others(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		blocked := false
		missing := a.Ask(t.Context(), others, []byte("q"), func(node string, part []byte) bool {
			if got[node]++; !blocked {
				blocked = true
				time.Sleep(10 * time.Millisecond)
				synctest.Wait() // more comes than there is room for
			}
			return true
		})
		if !slices.Equal(missing, []string{"deaf", "fails", "much", "old"}) || got["b"] != 3 || got["fails"] != 1 || got["much"] < maxParts/2 {
			t.Errorf("missing %v, got %v", missing, got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if missing := a.Ask(ctx, []string{"b"}, nil, func(string, []byte) bool { return true }); !slices.Equal(missing, []string{"b"}) {
			t.Errorf("after a second %v", missing)
		}
		if missing := a.Ask(t.Context(), []string{"b", "fails"}, nil, func(string, []byte) bool { return false }); len(missing) != 2 {
			t.Errorf("what was not waited for is not among %v", missing)
		}
		if missing := a.Ask(t.Context(), nil, nil, nil); missing != nil {
			t.Errorf("%v of nobody", missing)
		}
		if len(a.cluster.asked) > 0 {
			t.Errorf("%d questions are remembered", len(a.cluster.asked))
		}
	})
}
