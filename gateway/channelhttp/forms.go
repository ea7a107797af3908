// How publications look to the clients of this gateway: each form is made once and shared by all who receive it.

package channelhttp

import (
	"bytes"
	"encoding/base64"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// frames is a publication on a raw WebSocket: its payload, as it is.
var frames = &hub.Encoding[*websocket.PreparedMessage]{Encode: func(p *hub.Publication) *websocket.PreparedMessage {
	if p.Kind == hub.Binary {
		return websocket.Prepare(websocket.Binary, p.Payload)
	}
	return websocket.Prepare(websocket.Text, p.Payload)
}}

// events is a publication as an event of which the data is the payload.
var events = &hub.Encoding[[]byte]{Encode: plainEvent}

// forms are those that need to know what holds in a channel.
type forms struct {
	objects      *hub.Encoding[[]byte] // for a poll of one channel
	named        *hub.Encoding[[]byte] // with the channel
	objectEvents *hub.Encoding[[]byte] // an event of which the data is the named object
}

func newForms(h *hub.Hub) forms {
	object := func(p *hub.Publication, channel bool) []byte {
		conflated := h.Rule(p.Channel).Slow == hub.Conflate
		return message.Append(make([]byte, 0, len(p.Payload)+160), p, message.Shape{Channel: channel, Conflated: conflated})
	}
	named := &hub.Encoding[[]byte]{Encode: func(p *hub.Publication) []byte { return object(p, true) }}
	return forms{
		objects: &hub.Encoding[[]byte]{Encode: func(p *hub.Publication) []byte { return object(p, false) }},
		named:   named,
		objectEvents: &hub.Encoding[[]byte]{Encode: func(p *hub.Publication) []byte {
			return appendEvent(nil, p.Position().Cursor(), p.Event, message.Append(nil, p, message.Shape{
				Channel: true, Conflated: h.Rule(p.Channel).Slow == hub.Conflate}))
		}},
	}
}

// binaryEvent is the event name of a binary publication that has none: its data is base64.
const binaryEvent = "binary"

func plainEvent(p *hub.Publication) []byte {
	if p.Kind != hub.Binary {
		return appendEvent(nil, p.Position().Cursor(), p.Event, p.Payload)
	}
	name := p.Event
	if name == "" {
		name = binaryEvent
	}
	b := appendID(nil, p.Position().Cursor())
	b = append(b, "encoding: base64\n"...)
	return appendBody(b, name, base64.StdEncoding.AppendEncode(nil, p.Payload))
}

// appendEvent appends an event with its id. The id comes first, in a line of its own: see withoutID.
func appendEvent(b []byte, id, name string, data []byte) []byte {
	return appendBody(appendID(b, id), name, data)
}

func appendID(b []byte, id string) []byte {
	return append(append(append(b, "id: "...), id...), '\n')
}

// appendBody appends what follows the id. A line of an event stream ends with LF, CR or CRLF, so each of them in the data begins a
// new line of data; the client joins them with LF.
func appendBody(b []byte, name string, data []byte) []byte {
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	for {
		line, rest, more := cutLine(data)
		b = append(append(append(b, "data: "...), line...), '\n')
		if !more {
			return append(b, '\n')
		}
		data = rest
	}
}

// cutLine cuts off the first line.
func cutLine(b []byte) (line, rest []byte, more bool) {
	end := bytes.IndexAny(b, "\r\n")
	if end < 0 {
		return b, nil, false
	}
	line, rest = b[:end], b[end+1:]
	if b[end] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest, true
}

// withoutID is what follows the first line of an event, which is its id.
func withoutID(event []byte) []byte { return event[bytes.IndexByte(event, '\n')+1:] }
