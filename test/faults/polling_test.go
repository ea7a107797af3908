//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

// polls is a Socket.IO client that polls, each time over a connection of its own.
type polls struct {
	t       *testing.T
	address string
	sid     string
	waiting []string // packets
}

// exchange sends one request, and returns the status and the body.
func (p *polls) exchange(ctx context.Context, method, body string) (int, string) {
	p.t.Helper()
	url := "http://" + p.address + "/socket.io/?EIO=4&transport=polling&user=ann"
	if p.sid != "" {
		url += "&sid=" + p.sid
	}
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (p *polls) post(ctx context.Context, packet string) {
	p.t.Helper()
	if status, text := p.exchange(ctx, http.MethodPost, packet); status != 200 || text != "ok" {
		p.t.Fatalf("a POST is answered %d %s", status, text)
	}
}

// next is the next packet that begins like this; pings are answered.
func (p *polls) next(ctx context.Context, prefix string) string {
	p.t.Helper()
	for {
		for len(p.waiting) > 0 {
			packet := p.waiting[0]
			p.waiting = p.waiting[1:]
			if packet == "2" {
				p.post(ctx, "3")
			}
			if strings.HasPrefix(packet, prefix) {
				return packet
			}
		}
		status, text := p.exchange(ctx, http.MethodGet, "")
		if status != 200 {
			p.t.Fatalf("a GET is answered %d %s", status, text)
		}
		p.waiting = strings.Split(text, "\x1e")
	}
}

func TestPollingNeedsNoStickySessions(t *testing.T) {
	t.Parallel()
	broker := redis(t)
	start := func(name string) *process {
		return join(t, name, "127.0.0.1:0", broker.URL())
	}
	a, b := start("a"), start("b")
	nodes := map[string]*process{"a": a, "b": b}
	for _, n := range nodes {
		eventually(t, "the nodes know each other", func() bool {
			var is whole
			return n.ask(t, "GET", "/api/v1/nodes", "", &is) == 200 && len(is.Nodes) == 2
		})
	}
	ctx, cancel := newPatience(t)
	defer cancel()
	p := &polls{t: t, address: balance(t, a, b).address()}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(p.next(ctx, "0")[1:]), &open); err != nil {
		t.Fatal(err)
	}
	p.sid = open.SID
	home, ok := engineio.NodeOf(p.sid)
	if !ok || nodes[home] == nil {
		t.Fatalf("the session %s names the node %q", p.sid, home)
	}
	p.post(ctx, "40")
	p.next(ctx, "40")
	p.post(ctx, `420["join","lobby"]`)
	p.next(ctx, "430")
	for i := range 20 {
		data := fmt.Sprint("data-", i)
		if i%2 == 0 {
			p.post(ctx, fmt.Sprintf(`42["publish","lobby",%q]`, data))
		} else {
			nodes[map[string]string{"a": "b", "b": "a"}[home]].say(t, "lobby", data)
		}
		if packet := p.next(ctx, `42["message"`); !strings.Contains(packet, `"`+data+`"`) {
			t.Fatalf("instead of %s came %s", data, packet)
		}
	}
	nodes[home].cmd.Process.Kill()
	<-nodes[home].logged
	if status, text := p.exchange(ctx, http.MethodGet, ""); status != 400 || !strings.Contains(text, `"code":1,`) {
		t.Errorf("once the node is gone, the answer is %d %s", status, text)
	}
}
