// Batches: what a message with several commands counts as.

package native_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// sparing is a guard that lets so many messages pass, refuses some more, and then ends the session.
type sparing struct {
	pass, bear int

	mu    sync.Mutex // guards what follows
	asked int
	bytes int
}

func (g *sparing) Open(*hub.Session) error                 { return nil }
func (g *sparing) Renew(*hub.Session, *hub.Identity) error { return nil }
func (g *sparing) Closed(*hub.Session)                     {}
func (g *sparing) Waits() bool                             { return false }

func (g *sparing) Message(s *hub.Session, bytes int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	g.bytes += bytes
	if g.asked <= g.pass {
		return nil
	}
	err := hub.Errorf(hub.RateLimited, "%d messages are enough", g.pass)
	if g.asked > g.pass+g.bear {
		s.End(err)
	}
	return err
}

func (g *sparing) Subscribe(context.Context, *hub.Session, string) error         { return nil }
func (g *sparing) Publish(context.Context, *hub.Session, *hub.Publication) error { return nil }

// count is how many messages the guard was asked about, and their bytes.
func (g *sparing) count() (asked, bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked, g.bytes
}

func TestABatchIsAsManyMessagesAsItHoldsCommands(t *testing.T) {
	const ping, subscribe, wrong = `{"type":"ping"},`, `{"type":"subscribe","channel":"many%d"},`, `{"type":"subscribe","channel":""},`
	last := `{"type":"ping","id":9}`
	for _, c := range []struct {
		proves, batch     string
		messages, refused int
	}{
		{"a batch of one", "[" + last + "]", 1, 0},
		{"as many as may be", "[" + ping + ping + last + "]", 3, 0},
		{"two too many", "[" + ping + ping + ping + last + "]", 4, 1},
		{"what is malformed", "[" + ping + "{},7," + last + "]", 4, 3},
		{"subscriptions, which have a rate of their own", "[" + ping + fmt.Sprintf(subscribe+subscribe+subscribe, 1, 2, 3) + last + "]", 2, 0},
		{"subscriptions that fail", "[" + wrong + wrong + wrong + last + "]", 4, 4},
	} {
		for _, remote := range []bool{false, true} { // on the event loop, and beside it
			t.Run(fmt.Sprintf("%s, remote %v", c.proves, remote), func(t *testing.T) {
				g := &sparing{pass: 3, bear: 100}
				n := startWith(t, native.Options{}, hub.Options{Guards: []hub.Guard{g}, Broker: remoteBroker(remote)})
				client, refused := n.greeted(""), 0
				client.say(c.batch)
				for s := (said{}); string(s.ID) != "9"; {
					s = client.next()
					if s.Type == "error" {
						refused++
					}
				}
				if messages, bytes := g.count(); messages != c.messages || bytes != len(c.batch) || refused != c.refused {
					t.Errorf("%d messages of %d bytes, %d refusals; want %d, %d, %d", messages, bytes, refused, c.messages, len(c.batch), c.refused)
				}
			})
		}
	}
}

// Whoever sends too much at once is warned before he is cut.
func TestABatchCostsPatienceOnce(t *testing.T) {
	g := &sparing{pass: 3, bear: 2}
	c := startWith(t, native.Options{}, hub.Options{Guards: []hub.Guard{g}}).greeted("")
	c.say("[" + strings.Repeat(`{"type":"ping"},`, 9) + `{"type":"ping"}]`)
	for i := range 10 {
		if want, s := i < 3, c.next(); (s.Type == "pong") != want || !want && s.Code != string(hub.RateLimited) {
			t.Errorf("answer %d is %s", i, c.last)
		}
	}
	if messages, _ := g.count(); messages != 4 {
		t.Errorf("%d messages were counted, although the fourth was refused", messages)
	}
	c.say(`{"type":"ping"}`)
	c.expect("error")
}

func TestTheRestOfABatchIsNotAnsweredOnceTheSessionHasEnded(t *testing.T) {
	c := startWith(t, native.Options{}, hub.Options{Guards: []hub.Guard{&sparing{pass: 3}}}).greeted("")
	c.say("[" + strings.Repeat(`{"type":"ping"},`, 99) + `{"type":"ping"}]`)
	heard := 0
	for {
		_, _, err := c.conn.Read(t.Context())
		if err != nil {
			if code := websocket.CloseStatus(err); code != 4429 {
				t.Errorf("ended with %v", err)
			}
			break
		}
		heard++
	}
	if heard > 5 { // three pongs, the goodbye, and why
		t.Errorf("%d messages were heard", heard)
	}
}
