// What each command does.

package commands

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

// Bounds of answers.
const (
	defaultLimit = 100
	maxHistory   = 1000      // publications
	maxAnswer    = 256 << 10 // bytes of publications or members, but for the first one
)

// command is an event of a client.
type command struct {
	gateway *Gateway
	socket  *socketio.Socket
	event   string
	args    socketio.Args
	ack     socketio.Ack
}

// obey does what a command asks for and answers it, unless there is an error, which is then the answer.
func (c *command) obey() error {
	switch c.event {
	case "join":
		return c.join()
	case "leave":
		return c.leave()
	case "publish":
		return c.publish()
	case "history":
		return c.history()
	case "presence":
		return c.presence()
	case "authenticate":
		return c.authenticate()
	}
	return c.call()
}

// join leaves the answer to [Gateway.notify].
func (c *command) join() error {
	var o joining
	channel, err := c.channelAnd(&o, &o.Channel)
	if err != nil {
		return err
	}
	cursor, err := hub.ParseCursor(o.Cursor)
	if err != nil {
		return err
	}
	watched := watches(c.socket, channel)
	if o.Presence { // before somebody can be told that it is over
		c.socket.Set(watching+channel, true)
	}
	err = c.socket.Session().Subscribe(c.socket.Context(), channel, hub.SubscribeOptions{
		Recover: o.Cursor != "", After: cursor, Presence: o.Presence, Tag: c.ack,
	})
	if err != nil && !watched {
		forgetWatching(c.socket, channel)
	}
	if e, ok := errors.AsType[*hub.Error](err); ok && e.Code == hub.AlreadySubscribed && o.Cursor == "" && o.Presence == watched {
		return c.ack.Send(answer[already]{true, already{channel, true}})
	}
	return err
}

// already answers a join to where the client is, as after it has come back: in Socket.IO that is no mistake.
type already struct {
	Channel string `json:"channel"`
	Already bool   `json:"already"`
}

func (c *command) leave() error {
	var o leaving
	channel, err := c.channelAnd(&o, &o.Channel)
	if err != nil {
		return err
	}
	if err := c.socket.Session().Unsubscribe(channel); err != nil {
		return err
	}
	c.socket.Forget(channel)
	forgetWatching(c.socket, channel)
	return c.ack.Send(answer[unsubscribed]{true, unsubscribed{Channel: channel}})
}

type published struct {
	Channel     string `json:"channel"`
	Offset      uint64 `json:"offset"`
	Cursor      string `json:"cursor"`
	Time        string `json:"time"`
	Subscribers int    `json:"subscribers"`
	Lagging     int    `json:"lagging"`
	Duplicate   bool   `json:"duplicate,omitempty"`
}

func (c *command) publish() error {
	p, key, err := c.publication()
	if err != nil {
		return err
	}
	r, err := c.socket.Session().Publish(c.socket.Context(), p, hub.PublishOptions{IdempotencyKey: key})
	if err != nil {
		return err
	}
	c.socket.Published(r)
	return c.ack.Send(answer[published]{true, published{Channel: p.Channel, Offset: r.Offset, Cursor: r.Cursor(), Time: timeText(r.Time),
		Subscribers: r.Subscribers, Lagging: r.Lagging, Duplicate: r.Duplicate}})
}

type past struct {
	Channel   string          `json:"channel"`
	Messages  json.RawMessage `json:"messages"`
	Cursor    string          `json:"cursor"`
	Recovered *bool           `json:"recovered,omitempty"`
	More      bool            `json:"more,omitempty"`
}

func (c *command) history() error {
	o := asking{Limit: defaultLimit}
	channel, err := c.channelAnd(&o, &o.Channel)
	if err != nil {
		return err
	}
	cursor, err := hub.ParseCursor(o.Cursor)
	if err != nil {
		return err
	}
	if o.Limit < 1 {
		return hub.Errorf(hub.BadRequest, `"limit" is %d; ask for 1 to %d publications`, o.Limit, maxHistory)
	}
	page, recovered, err := message.ReadHistory(c.socket.Context(), c.socket.Session(), channel, cursor, min(o.Limit, maxHistory))
	if err != nil {
		return err
	}
	shape := message.Shape{Channel: true, Conflated: c.gateway.conflates(channel)}
	list, last := message.AppendAll(nil, page, shape, maxAnswer)
	told := past{Channel: channel, Messages: list, Cursor: hub.Position{Epoch: page.Top.Epoch, Offset: last}.Cursor(), More: last < page.Top.Offset}
	if o.Cursor != "" {
		told.Recovered = &recovered
	}
	return c.ack.Send(answer[past]{true, told})
}

type member struct {
	Session string          `json:"session"`
	User    string          `json:"user,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
}

func memberOf(m *hub.Member) member { return member{m.Session, m.User, m.Info} }

type people struct {
	Channel  string   `json:"channel"`
	Members  []member `json:"members"`
	Sessions int      `json:"sessions"`
	Users    int      `json:"users"`
}

func (c *command) presence() error {
	o := listing{Limit: defaultLimit}
	channel, err := c.channelAnd(&o, &o.Channel)
	if err != nil {
		return err
	}
	if o.Limit < 0 {
		return hub.Errorf(hub.BadRequest, `"limit" is %d; ask for 0 members or more`, o.Limit)
	}
	all, err := c.socket.Session().Presence(c.socket.Context(), channel, o.Limit)
	if err != nil {
		return err
	}
	told, bytes := people{Channel: channel, Members: []member{}, Sessions: all.Sessions, Users: all.Users}, 0
	for i := range all.Members {
		if bytes > maxAnswer {
			break
		}
		m := memberOf(&all.Members[i])
		told.Members = append(told.Members, m)
		bytes += len(m.Session) + len(m.User) + len(m.Info)
	}
	return c.ack.Send(answer[people]{true, told})
}

type authenticated struct {
	User    string `json:"user,omitempty"`
	Expires string `json:"expires,omitempty"`
}

func (c *command) authenticate() error {
	var token string
	if err := c.args.Decode(&token); err != nil || token == "" || c.args.Len() > 1 {
		return hub.Errorf(hub.BadRequest, `the event has no token; send it as text, as in emit("authenticate", token)`)
	}
	if err := c.socket.Session().Authenticate(c.socket.Context(), token); err != nil {
		return err
	}
	who := c.socket.Session().Identity()
	told := authenticated{User: who.User}
	if !who.Expires.IsZero() {
		told.Expires = timeText(who.Expires)
	}
	return c.ack.Send(answer[authenticated]{true, told})
}

// call asks the handler of calls, whose answer is the acknowledgement as it is.
func (c *command) call() error {
	if len(c.event) > hub.MaxEventName {
		return hub.Errorf(hub.BadRequest, "the event's name has %d bytes; at most %d are taken", len(c.event), hub.MaxEventName)
	}
	args, _ := c.args.Array()
	kind, payload, err := c.socket.Session().Call(c.socket.Context(), hub.Call{Method: c.event, Kind: hub.JSON, Payload: args})
	if err != nil {
		return err
	}
	switch kind {
	case hub.Text:
		return c.ack.Send(string(payload))
	case hub.Binary:
		return c.ack.Send(payload)
	}
	return c.ack.Send(json.RawMessage(payload))
}

// answer is an object of the members of T behind "ok".
type answer[T any] struct {
	OK   bool
	Rest T
}

// MarshalJSON implements [json.Marshaler].
func (a answer[T]) MarshalJSON() ([]byte, error) {
	rest, err := json.Marshal(a.Rest)
	if err != nil || string(rest) == "{}" {
		return []byte(`{"ok":true}`), err
	}
	return append([]byte(`{"ok":true,`), rest[1:]...), nil
}

func timeText(t time.Time) string {
	quoted := message.AppendTime(nil, t)
	return string(quoted[1 : len(quoted)-1])
}
