// The arguments of commands: a channel's name and, for some, an object of options; or the object alone, with the channel in it.

package commands

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

type joining struct {
	Channel  string `json:"channel"`
	Cursor   string `json:"cursor"`
	Presence bool   `json:"presence"`
}

type leaving struct {
	Channel string `json:"channel"`
}

type asking struct {
	Channel string `json:"channel"`
	Cursor  string `json:"cursor"`
	Limit   int    `json:"limit"`
}

type listing struct {
	Channel string `json:"channel"`
	Limit   int    `json:"limit"`
}

// channelAnd decodes options, which in points to, and returns the channel, which is a checked name. own is the member of the options that may
// hold it.
func (c *command) channelAnd(in any, own *string) (channel string, err error) {
	if c.args.Len() == 0 {
		return "", hub.Errorf(hub.BadRequest, "the event %q names no channel; send one, as in emit(%q, \"lobby\")", c.event, c.event)
	}
	rest := c.args
	named := c.args.Decode(&channel) == nil && string(c.args.JSON(0)) != "null"
	if named {
		rest = c.args.From(1)
	}
	switch rest.Len() {
	case 0:
	case 1:
		if err := c.options(rest, in); err != nil {
			return "", err
		}
	default:
		return "", hub.Errorf(hub.BadRequest, "the event %q has %d arguments; there are a channel and an object of options", c.event, c.args.Len())
	}
	if !named {
		channel = *own
	}
	return channel, hub.CheckChannel(channel)
}

// options decodes an object.
func (c *command) options(args socketio.Args, in any) error {
	text := args.JSON(0)
	if string(text) == "null" { // undefined
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); text[0] != '{' || err != nil {
		return hub.Errorf(hub.BadRequest, "an argument of the event %q is not what it can be, which is a channel's name or an object of options: %v", c.event, err)
	}
	return nil
}

// publication is what a publish asks for: channel and data; channel, event and data, of which there may be several; or an object.
func (c *command) publication() (p *hub.Publication, idempotencyKey string, err error) {
	if c.args.Len() == 0 {
		return nil, "", hub.Errorf(hub.BadRequest, `the event "publish" says nothing; send a channel, the name of an event and data, as in emit("publish", "lobby", "new-message", "hello")`)
	}
	if members, ok := c.args.Members(0); ok && c.args.Len() == 1 {
		return publicationOf(members)
	}
	p = new(hub.Publication)
	if err := c.args.Decode(&p.Channel); err != nil {
		return nil, "", hub.Errorf(hub.BadRequest, `the event "publish" does not begin with a channel's name: %v`, err)
	}
	data := c.args.From(1)
	if data.Len() == 0 {
		return nil, "", hub.Errorf(hub.BadRequest, `the event "publish" has no data; send some, "" or null for nothing`)
	}
	if data.Len() > 1 {
		if err := data.Decode(&p.Event); err != nil {
			return nil, "", hub.Errorf(hub.BadRequest, `the second of %d arguments of "publish" is no text; it is the name of an event: %v`, c.args.Len(), err)
		}
		data = data.From(1)
	}
	p.Kind, p.Payload, p.Form = data.Payload()
	return p, "", nil
}

// publicationOf is that of a publish whose argument is an object.
func publicationOf(members map[string]socketio.Args) (p *hub.Publication, idempotencyKey string, err error) {
	p = new(hub.Publication)
	data, ok := members["data"]
	if !ok {
		return nil, "", hub.Errorf(hub.BadRequest, `the object has no "data" to publish; give it some, "" or null for nothing`)
	}
	p.Kind, p.Payload, p.Form = data.Payload()
	delete(members, "data")
	for name, to := range map[string]*string{"channel": &p.Channel, "event": &p.Event, "key": &p.Key, "idempotency_key": &idempotencyKey} {
		if value, ok := members[name]; ok {
			if err := value.Decode(to); err != nil {
				return nil, "", hub.Errorf(hub.BadRequest, "%q is no text: %v", name, err)
			}
			delete(members, name)
		}
	}
	if len(members) > 0 {
		unknown := slices.Sorted(maps.Keys(members))
		return nil, "", hub.Errorf(hub.BadRequest, `the object has %.100q; there are "channel", "event", "data", "key" and "idempotency_key"`, strings.Join(unknown, ", "))
	}
	return p, idempotencyKey, nil
}
