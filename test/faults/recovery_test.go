//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket"
)

// talk is a Socket.IO client over a WebSocket, packet by packet.
type talk struct {
	*websocket.Conn
	t   *testing.T
	pid string
	sid string
}

// comeTo connects to a node with an auth, and returns the packets that came before the answer.
func comeTo(ctx context.Context, t *testing.T, p *process, auth string) (c *talk, before []string) {
	t.Helper()
	socket, _, err := websocket.Dial(ctx, "ws://"+p.address+"/socket.io/?EIO=4&transport=websocket&user=ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.CloseNow() })
	c = &talk{Conn: socket, t: t}
	c.next(ctx, "0")
	c.say(ctx, "40"+auth)
	for {
		packet := c.next(ctx, "4")
		if !strings.HasPrefix(packet, "40") {
			before = append(before, packet)
			continue
		}
		var is struct{ SID, PID string }
		if err := json.Unmarshal([]byte(packet[2:]), &is); err != nil {
			t.Fatalf("%s: %v", packet, err)
		}
		c.sid, c.pid = is.SID, is.PID
		return c, before
	}
}

func (c *talk) say(ctx context.Context, packet string) {
	c.t.Helper()
	if err := c.Write(ctx, websocket.Text, []byte(packet)); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next packet that begins like this.
func (c *talk) next(ctx context.Context, prefix string) string {
	c.t.Helper()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", prefix, err)
		}
		if string(text) == "2" {
			c.say(ctx, "3")
		}
		if strings.HasPrefix(string(text), prefix) {
			return string(text)
		}
	}
}

// offset is the last argument of an event.
func (c *talk) offset(packet string) string {
	c.t.Helper()
	var args []any
	if err := json.Unmarshal([]byte(packet[2:]), &args); err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprint(args[len(args)-1])
}

// recoverElsewhere has a client go from node to node.
func recoverElsewhere(t *testing.T, f *fleet) {
	nodes := f.nodes
	ctx, cancel := newPatience(t)
	defer cancel()
	c, _ := comeTo(ctx, t, nodes[0], "")
	first := *c
	c.say(ctx, `420["join","hall"]`)
	c.next(ctx, "430")
	nodes[2].say(t, "hall", "seen")
	offset := c.offset(c.next(ctx, `42["message"`))
	for i, at := range []int{1, 2, 0, 0, 2, 0} { // back on the first, which has something of long ago
		old := c
		switch {
		case i == 1:
			nodes[1].stop(t)
		case i >= 4: // the node does not know that the client has gone
			defer old.CloseNow()
		default:
			c.CloseNow()
			eventually(t, "the node has noticed that the client has gone", func() bool {
				var is whole
				return nodes[2].ask(t, "GET", "/api/v1/users/ann/sessions", "", &is) == 200 && is.Total == 0
			})
		}
		data := fmt.Sprint("missed-", i)
		nodes[2].say(t, "hall", data)
		var before []string
		c, before = comeTo(ctx, t, nodes[at], fmt.Sprintf(`{"pid":%q,"offset":%q}`, first.pid, offset))
		if c.pid != first.pid || c.sid != first.sid {
			t.Fatalf("step %d: the client is another: %s %s", i, c.pid, c.sid)
		}
		if len(before) != 1 || !strings.Contains(before[0], data) {
			t.Fatalf("step %d: what was missed is %v", i, before)
		}
		live := fmt.Sprint("live-", i)
		nodes[2].say(t, "hall", live)
		if packet := c.next(ctx, `42["message"`); !strings.Contains(packet, live) {
			t.Fatalf("step %d: %s came instead of %s", i, packet, live)
		} else {
			offset = c.offset(packet)
		}
	}
	f.rejoin(1)
}
