//go:build linux

// A reader that speaks Socket.IO over a WebSocket, in as few words as there are.

package restart

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/test/simulation"
	"github.com/ringdown/ringdown/websocket"
)

const socketIO simulation.Transport = "socketio"

func init() { furtherTransports[socketIO] = (*reader).socketIO }

// about is the object behind an event's data.
type about struct {
	Cursor, Code string
	Offset       uint64
	OK           bool
	Recovered    bool
}

func (r *reader) socketIO(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, r.url("ws", "/socket.io/", url.Values{"EIO": {"4"}, "transport": {"websocket"}}), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		switch packet := string(text); {
		case packet == "2":
			err = c.Write(ctx, websocket.Text, []byte("3"))
		case packet[0] == '0':
			err = c.Write(ctx, websocket.Text, []byte("40"))
		case strings.HasPrefix(packet, "40"):
			r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
			err = c.Write(ctx, websocket.Text, fmt.Appendf(nil, `420["join",%q,{"cursor":%q}]`, r.channel, r.cursor))
		case strings.HasPrefix(packet, "430"):
			var answer []about
			if err := json.Unmarshal([]byte(packet[3:]), &answer); err != nil || !answer[0].OK {
				return fmt.Errorf("the answer to join is %s", packet)
			}
			r.note(simulation.Entry{What: simulation.Told, Recovered: answer[0].Recovered, Cursor: answer[0].Cursor})
			r.cursor = answer[0].Cursor
		case strings.HasPrefix(packet, "42"):
			err = r.event(packet[2:])
		}
		if err != nil {
			return err
		}
	}
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
