package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// tappable is a client that can be watched.
type tappable struct {
	client
	mu   sync.Mutex
	taps map[int]func(hub.Frame)
	ever int
}

func (c *tappable) Tap(f func(hub.Frame)) (stop func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taps == nil {
		c.taps = make(map[int]func(hub.Frame))
	}
	c.ever++
	n := c.ever
	c.taps[n] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.taps, n)
	}, true
}

func (c *tappable) watchers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.taps)
}

// pass has a frame pass whose payload is lent.
func (c *tappable) pass(f hub.Frame, payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lent := []byte(payload)
	f.Payload = lent
	if f.Size == 0 {
		f.Size = int64(len(payload))
	}
	f.Wire = f.Size + 6
	for _, tell := range c.taps {
		tell(f)
	}
	clear(lent)
}

func (n *node) tappable(user string) *tappable {
	n.t.Helper()
	c := &tappable{}
	var err error
	if c.session, err = n.hub.Open(c, someone(user, "192.0.2.7")); err != nil {
		n.t.Fatal(err)
	}
	return c
}

type pulled struct {
	Frames []struct {
		Seq               uint64
		Time              time.Time
		Direction, Opcode string
		Fin, RSV1, Masked bool
		Wire              int64  `json:"wire_bytes"`
		Inflated          *int64 `json:"inflated_bytes"`
		Payload           *string
		Base64            []byte `json:"payload_base64"`
		CloseCode         int    `json:"close_code"`
		Truncated         bool
		Redacted          bool
	}
	Next, Missed uint64
	Ended        bool
}

func (n *node) pull(c *tappable, query string) (got pulled) {
	n.t.Helper()
	n.ask(200, &got, "GET", "/sessions/"+c.session.ID()+"/frames?"+query, "")
	return got
}

func (p pulled) payloads() (all []string) {
	for _, f := range p.Frames {
		text := string(f.Base64)
		if f.Payload != nil {
			text = *f.Payload
		}
		all = append(all, text)
	}
	return all
}

var text = hub.Frame{Opcode: "text", Fin: true}

func TestFramesAreShownFromTheFirstPullOn(t *testing.T) {
	n := start(t)
	c := n.tappable("ann")
	c.pass(text, "unseen")
	if got := n.pull(c, ""); len(got.Frames) != 0 || got.Missed != 0 || got.Ended {
		t.Errorf("the first pull: %+v", got)
	}
	c.pass(hub.Frame{Opcode: "text", Fin: true, Masked: true}, "grüße")
	c.pass(hub.Frame{Sent: true, Opcode: "binary", Fin: true, RSV1: true}, "\x00\xff")
	c.pass(hub.Frame{Opcode: "close", Fin: true}, "\x03\xe8bye")
	c.pass(hub.Frame{Opcode: "text", RSV1: true, Size: -1}, "")
	c.pass(hub.Frame{Opcode: "text", Fin: true, Size: 10_000}, strings.Repeat("ü", 2050))
	got := n.pull(c, "after=0")
	if len(got.Frames) != 5 || strings.Join(got.payloads()[:4], "|") != "grüße|\x00\xff|bye|" {
		t.Fatalf("%+v", got)
	}
	f := got.Frames[0]
	if f.Direction != "in" || f.Opcode != "text" || !f.Fin || f.RSV1 || !f.Masked || f.Wire != 13 || *f.Inflated != 7 || f.Truncated || f.Redacted || time.Since(f.Time) > time.Minute {
		t.Errorf("%+v", f)
	}
	if f = got.Frames[1]; f.Direction != "out" || !f.RSV1 || f.Base64 == nil || f.Payload != nil {
		t.Errorf("%+v", f)
	}
	if f = got.Frames[2]; f.CloseCode != 1000 || f.Truncated {
		t.Errorf("%+v", f)
	}
	if f = got.Frames[3]; f.Inflated != nil || !f.Truncated {
		t.Errorf("%+v", f)
	}
	if f = got.Frames[4]; !f.Truncated || len(*f.Payload) != 4096 || *f.Inflated != 10_000 {
		t.Errorf("%+v", f)
	}
	if again := n.pull(c, fmt.Sprint("after=", got.Frames[2].Seq)); len(again.Frames) != 2 || again.Next != got.Next {
		t.Errorf("after the third: %+v", again)
	}
	if none := n.pull(c, fmt.Sprint("after=", got.Next)); len(none.Frames) != 0 || none.Next != got.Next {
		t.Errorf("after the last: %+v", none)
	}
}

func TestAPullerThatIsSlowIsToldWhatItMissed(t *testing.T) {
	n := start(t)
	c := n.tappable("ann")
	first := n.pull(c, "").Next
	for i := range 1000 {
		c.pass(text, fmt.Sprint(i))
	}
	got := n.pull(c, fmt.Sprint("after=", first))
	if len(got.Frames) != 256 || got.Missed != 744 || got.payloads()[0] != "744" || got.payloads()[255] != "999" {
		t.Errorf("%d frames, %d missed: %v", len(got.Frames), got.Missed, got.payloads())
	}
}

func TestWhoPullsSharesATapThatIsTakenOffAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		c := n.tappable("ann")
		var pulls sync.WaitGroup
		for range 10 {
			pulls.Go(func() {
				if got := n.pull(c, "wait=30s"); strings.Join(got.payloads(), "") != "hello" {
					t.Errorf("%v", got.payloads())
				}
			})
		}
		time.Sleep(20 * time.Second) // longer than a tap stays without a pull
		if c.watchers() != 1 {
			t.Errorf("%d taps while ten pull", c.watchers())
		}
		c.pass(text, "hello")
		pulls.Wait()
		last := n.pull(c, "").Next
		time.Sleep(14 * time.Second)
		if c.watchers() != 1 {
			t.Error("the tap is gone before its time")
		}
		time.Sleep(2 * time.Second)
		if c.watchers() != 0 {
			t.Error("the tap stays")
		}
		c.pass(text, "unseen")
		began := time.Now()
		if got := n.pull(c, fmt.Sprintf("after=%d&wait=5s", last)); len(got.Frames) != 0 || time.Since(began) != 5*time.Second {
			t.Errorf("a new tap: %v after %v", got.payloads(), time.Since(began))
		}
		c.pass(text, "again")
		if got := n.pull(c, fmt.Sprintf("after=%d&wait=5s", last)); strings.Join(got.payloads(), "") != "again" || got.Next <= last || got.Missed != 0 {
			t.Errorf("where the earlier tap ended: %+v", got)
		}
	})
}

func TestOnlySoManySessionsAreWatchedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		for i := range 16 {
			n.pull(n.tappable(fmt.Sprint(i)), "")
		}
		late := n.tappable("late")
		var got problem
		n.ask(http.StatusTooManyRequests, &got, "GET", "/sessions/"+late.session.ID()+"/frames", "")
		if !strings.Contains(got.Detail, "16 sessions") || late.watchers() != 0 {
			t.Errorf("%+v", got)
		}
		time.Sleep(16 * time.Second)
		n.pull(late, "")
	})
}

func TestTheEndOfASessionIsToldBehindItsLastFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		c := n.tappable("ann")
		last := n.pull(c, "").Next
		go func() {
			time.Sleep(time.Second)
			c.session.Close()
			time.Sleep(500 * time.Millisecond)
			c.pass(hub.Frame{Sent: true, Opcode: "close", Fin: true}, "\x03\xe8")
		}()
		got := n.pull(c, fmt.Sprintf("after=%d&wait=30s", last))
		if len(got.Frames) != 1 || got.Ended {
			t.Errorf("the last frame: %+v", got)
		}
		began := time.Now()
		got = n.pull(c, fmt.Sprintf("after=%d&wait=30s", got.Next))
		if len(got.Frames) != 0 || !got.Ended || time.Since(began) > 2*time.Second {
			t.Errorf("the end: %+v after %v", got, time.Since(began))
		}
		time.Sleep(16 * time.Second)
		if c.watchers() != 0 {
			t.Error("the tap stays")
		}
		n.ask(404, new(problem), "GET", "/sessions/"+c.session.ID()+"/frames", "")
	})
}

func TestWrongPullsAreRefusedInWords(t *testing.T) {
	n := start(t)
	c := n.tappable("ann")
	for _, query := range []string{"after=x", "after=-1", "wait=10", "wait=31s", "wait=-1s", "wait=x"} {
		n.ask(400, new(problem), "GET", "/sessions/"+c.session.ID()+"/frames?"+query, "")
	}
	if c.ever != 0 {
		t.Error("a pull that was refused puts a tap on")
	}
	untappable := n.open(someone("ben", "192.0.2.8"), overWebSocket)
	n.ask(503, new(problem), "GET", "/sessions/"+untappable.session.ID()+"/frames", "")
}

// A secret may be told by what stands in an earlier frame.
func TestSecretsAreHiddenAcrossFragments(t *testing.T) {
	n := start(t)
	c := n.tappable("ann")
	n.pull(c, "")
	part := hub.Frame{Opcode: "continuation"}
	c.pass(hub.Frame{Opcode: "text"}, `{"tok`)
	c.pass(hub.Frame{Opcode: "ping", Fin: true}, "between")
	c.pass(hub.Frame{Opcode: "text", Fin: true, Sent: true}, "the other way")
	c.pass(part, `en":`)
	c.pass(part, `"hun`)
	c.pass(hub.Frame{Opcode: "continuation", Fin: true}, `ter2","a":1}`)
	got := n.pull(c, "after=0")
	if all := strings.Join(got.payloads(), "|"); all != `{"tok|between|the other way|en":|"…|…","a":1}` || got.Frames[0].Redacted || !got.Frames[5].Redacted {
		t.Errorf("%s", all)
	}
	c.pass(hub.Frame{Opcode: "text", Size: 5000}, strings.Repeat(" ", 4096))
	c.pass(hub.Frame{Opcode: "continuation", Fin: true}, `nobody knows whether this is a secret`)
	c.pass(text, "this is none")
	if got := n.pull(c, fmt.Sprint("after=", got.Next)); got.payloads()[1] != "" || !got.Frames[1].Redacted || got.payloads()[2] != "this is none" {
		t.Errorf("%q", got.payloads()[1:])
	}
}
