package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// dialSlow dials as the user slow, over a line that holds little, so that a client that does not read is soon noticed.
func (n *node) dialSlow() *caller {
	n.t.Helper()
	conn, _, err := websocket.Dial(n.t.Context(), n.url+"?user=slow", &websocket.DialOptions{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				err = c.(*net.TCPConn).SetReadBuffer(256 << 10)
			}
			return c, err
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.CloseNow() })
	c := &caller{t: n.t, conn: conn}
	c.expect("welcome")
	return c
}

// flood publishes until a session is behind, and then some more. It returns the last offset.
func (n *node) flood(channel string, s *hub.Session) (last uint64) {
	n.t.Helper()
	for more := 300; more > 0; {
		last++
		if last > 20_000 {
			n.t.Fatal("nothing lags")
		}
		payload := fmt.Sprintf("%d %s", last, strings.Repeat("x", 2000))
		p := &hub.Publication{Channel: channel, Payload: []byte(payload), Key: fmt.Sprint(last % 3)}
		if _, err := n.hub.Publish(n.t.Context(), p, hub.PublishOptions{}); err != nil {
			n.t.Fatal(err)
		}
		if s.Lag() > 0 {
			more--
		}
	}
	return last
}

func TestWhatIsDroppedForASlowClientIsToldWhereItWas(t *testing.T) {
	n := startWith(t, native.Options{OutboxBytes: 64 << 10}, hub.Options{Rules: []hub.Rule{{Pattern: "*", Slow: hub.DropOldest, Backlog: 32 << 10}}})
	c := n.dialSlow()
	c.say(`{"type":"subscribe","channel":"a"}`)
	c.expect("subscribed")
	last := n.flood("a", n.hub.SessionsOf("slow")[0])
	next, gaps := uint64(1), 0
	for next <= last {
		var s said
		if err := json.Unmarshal(c.hear(), &s); err != nil {
			t.Fatal(err)
		}
		switch s.Type {
		case "gap":
			if gaps++; s.From != next || s.To < s.From {
				t.Fatalf("%.200s, want a gap from %d", c.last, next)
			}
			next = s.To + 1
		case "message":
			if s.Offset != next {
				t.Fatalf("offset %d without a gap, want %d", s.Offset, next)
			}
			next++
		}
	}
	if gaps == 0 {
		t.Error("nothing was dropped")
	}
}

func TestAConflatingChannelEndsAtTheNewestValueOfEachKey(t *testing.T) {
	n := startWith(t, native.Options{OutboxBytes: 64 << 10}, hub.Options{Rules: []hub.Rule{{Pattern: "*", Slow: hub.Conflate}}})
	c := n.dialSlow()
	c.say(`{"type":"subscribe","channel":"a"}`)
	c.expect("subscribed")
	last := n.flood("a", n.hub.SessionsOf("slow")[0])
	offset, skipped := uint64(0), false
	newest := map[string]uint64{}
	for offset < last {
		s := c.expect("message")
		if s.Offset <= offset || !s.Conflated {
			t.Fatalf("offset %d after %d, conflated %v", s.Offset, offset, s.Conflated)
		}
		skipped = skipped || s.Offset > offset+1
		offset = s.Offset
		newest[s.Key] = s.Offset
	}
	if !skipped {
		t.Error("nothing was conflated")
	}
	for i := range uint64(3) {
		if key := fmt.Sprint((last - i) % 3); newest[key] != last-i {
			t.Errorf("key %s ends at %d, want %d", key, newest[key], last-i)
		}
	}
}
