// Events as publications, and publications as events: the two ways between Socket.IO's arguments and what a channel carries.

package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// payload is what a publication carries of an event.
type payload struct {
	kind hub.Kind
	data []byte
	form hub.Form
}

// payloadOf makes a payload of arguments. A single one is plainly what it is (text, bytes or JSON), so that clients of other protocols see what
// they expect; several are an array that is spread.
func payloadOf(args []any) (payload, error) {
	if len(args) != 1 {
		return spread(args)
	}
	if b, ok := plainBytes(args[0]); ok {
		return payload{hub.Binary, bytes.Clone(b), 0}, nil
	}
	text, embeds, err := marshal(args[0])
	if err != nil {
		return payload{}, fmt.Errorf("socketio: argument 1 cannot be sent: %w", err)
	}
	switch {
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		return payload{hub.Text, []byte(s), 0}, err
	case embeds:
		return payload{hub.JSON, text, hub.Embedded}, nil
	}
	return payload{hub.JSON, text, 0}, nil
}

func spread(args []any) (p payload, err error) {
	p = payload{hub.JSON, []byte{'['}, hub.Spread}
	for i, arg := range args {
		if i > 0 {
			p.data = append(p.data, ',')
		}
		if b, ok := plainBytes(arg); ok {
			arg = Bytes(b)
		}
		text, embeds, err := marshal(arg)
		if err != nil {
			return payload{}, fmt.Errorf("socketio: argument %d cannot be sent: %w", i+1, err)
		}
		if embeds {
			p.form |= hub.Embedded
		}
		p.data = append(p.data, text...)
	}
	p.data = append(p.data, ']')
	return p, nil
}

// eventName is that of a publication without one: what other protocols' clients publish.
const eventName = "message"

// frame encodes a publication as an event in a namespace. Where it comes from may be one more argument, and with recovery its position is
// another.
func frame(p *hub.Publication, s *Server, namespace string) *engineio.Message {
	direct := s.options.Direct
	name, last := p.Event, ""
	if direct.taken(name) {
		name = eventName
	}
	if s.keeper != nil {
		last = p.Position().Cursor()
	}
	e := argumentsOf(p)
	switch {
	case direct != nil:
		if e.text = slices.Clip(e.text); len(e.text) > 0 { // which is the publication's
			e.text = append(e.text, ',')
		}
		e.text = append(e.text, direct.about(p, s.hub.Rule(p.Channel).Slow == hub.Conflate)...)
	case s.options.Origin:
		e.text = appendOrigin(bytes.Clone(e.text), p)
	}
	return engineio.Prepare(packetText(packet.Event, namespace, name, 0, false, e, last), e.attachments...)
}

func appendOrigin(b []byte, p *hub.Publication) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = message.AppendString(append(b, `{"channel":`...), p.Channel)
	b = strconv.AppendUint(append(b, `,"offset":`...), p.Offset, 10)
	b = message.AppendTime(append(b, `,"time":`...), p.Time)
	return append(b, '}')
}

func argumentsOf(p *hub.Publication) (e arguments) {
	switch p.Kind {
	case hub.Text:
		e.text = message.AppendString(nil, p.Payload)
	case hub.Binary:
		return arguments{packet.AppendPlaceholder(nil, 0), [][]byte{p.Payload}}
	case hub.JSON:
		e.text = bytes.TrimSpace(p.Payload)
		if p.Form&hub.Embedded != 0 {
			e.text, e.attachments = packet.Extract(e.text, 0)
		}
		if p.Form&hub.Spread != 0 && len(e.text) > 0 && e.text[0] == '[' {
			e.text = bytes.TrimSpace(e.text[1 : len(e.text)-1])
		}
	}
	return e
}
