//go:build unix

// Readers that speak Socket.IO over a WebSocket or by polling, in as few words as there are.

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/test/simulation"
	"github.com/ringdown/ringdown/websocket"
)

const (
	socketIO        simulation.Transport = "socketio"
	socketIOPolling simulation.Transport = "socketio-polling"
)

// about is the object behind an event's data, or an acknowledgement.
type about struct {
	Cursor           string
	Offset, From, To uint64
	OK               bool
	Recovered        bool
	Error            struct{ Code string }
}

func (r *reader) socketIO(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, r.url("ws", "/socket.io/", url.Values{"EIO": {"4"}, "transport": {"websocket"}}), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for {
		_, packet, err := c.Read(ctx)
		if err != nil {
			return err
		}
		say := func(text string) error { return c.Write(ctx, websocket.Text, []byte(text)) }
		if err := r.packet(string(packet), say); err != nil {
			return err
		}
	}
}

// socketIOPolling makes a connection of its own for each request, so that these come to different nodes.
func (r *reader) socketIOPolling(ctx context.Context) error {
	values := url.Values{"EIO": {"4"}, "transport": {"polling"}}
	say := func(packet string) error {
		_, err := r.exchange(ctx, http.MethodPost, values, packet)
		return err
	}
	for {
		packets, err := r.exchange(ctx, http.MethodGet, values, "")
		if err != nil {
			return err
		}
		for packet := range strings.SplitSeq(packets, "\x1e") {
			var open struct{ SID string }
			if strings.HasPrefix(packet, "0") && json.Unmarshal([]byte(packet[1:]), &open) == nil {
				values.Set("sid", open.SID)
			}
			if err := r.packet(packet, say); err != nil {
				return err
			}
		}
	}
}

// exchange does one request of a session that polls.
func (r *reader) exchange(ctx context.Context, method string, values url.Values, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url("http", "/socket.io/", values), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.GetBody = nil // net/http must not repeat what may have arrived
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %s", response.Status, text)
	}
	return string(text), err
}

// packet takes a packet of the node, and says what there is to say to it.
func (r *reader) packet(packet string, say func(string) error) error {
	switch {
	case packet == "2":
		return say("3")
	case packet == "1" || packet == "41":
		return fmt.Errorf("the node has closed: %s", packet)
	case strings.HasPrefix(packet, "0"):
		return say("40")
	case strings.HasPrefix(packet, "40"):
		r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
		return say(fmt.Sprintf(`420["join",%q,{"cursor":%q}]`, r.channel, r.cursor))
	case strings.HasPrefix(packet, "430"):
		var answer []about
		if err := json.Unmarshal([]byte(packet[3:]), &answer); err != nil || len(answer) != 1 {
			return fmt.Errorf("the answer to join is %s", packet)
		}
		if !answer[0].OK {
			return r.refused(answer[0].Error.Code, packet)
		}
		r.begins(answer[0].Recovered, answer[0].Cursor)
	case strings.HasPrefix(packet, "42"):
		return r.event(packet[2:])
	}
	return nil
}

// event takes an event of the node.
func (r *reader) event(text string) error {
	var parts []json.RawMessage
	var name, data string
	var last about
	if err := json.Unmarshal([]byte(text), &parts); err != nil || json.Unmarshal(parts[0], &name) != nil {
		return fmt.Errorf("an event is %s", text)
	}
	switch name {
	case "ringdown:disconnect":
		return r.goodbye(rand.N(window))
	case "ringdown:gap":
		if json.Unmarshal(parts[1], &last) != nil {
			return fmt.Errorf("a gap is %s", text)
		}
		r.missed(last.From, last.To, last.Cursor)
	case "message":
		if json.Unmarshal(parts[1], &data) != nil || json.Unmarshal(parts[2], &last) != nil {
			return fmt.Errorf("a message is %s", text)
		}
		r.saw(data, last.Cursor, last.Offset)
	default:
		r.note(simulation.Entry{What: simulation.Nonsense, Text: text})
	}
	return nil
}
