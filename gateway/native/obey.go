// What each command does.

package native

import (
	"cmp"
	"context"
	"encoding/json"
	"runtime/debug"
	"strings"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
)

// kinds are the types of commands there are.
var kinds = []string{"subscribe", "unsubscribe", "publish", "presence", "history", "call", "authenticate", "ping"}

// Bounds of answers.
const (
	defaultLimit = 100
	maxHistory   = 1000      // publications
	maxAnswer    = 256 << 10 // bytes of publications or members, but for the first one
)

// obey does what a command asks for, and tells what became of it. The receipt is that of a publish. Who has been told goodbye is not
// heard any more.
func (c *client) obey(cmd *command) (r hub.Receipt) {
	if c.bye.Load() {
		return r
	}
	err := c.admit(cmd)
	if err == nil {
		r, err = c.do(cmd)
	}
	if err != nil {
		c.sayError(cmd.id, err)
	}
	return r
}

// admit has each command of a batch count as a message: the first was counted with its message, which is also whose bytes they are.
// Subscribing has a rate of its own, which lets clients that come back subscribe to all of theirs at once, so it counts here only when
// it fails.
func (c *client) admit(cmd *command) error {
	if cmd.err != nil || cmd.kind != "subscribe" {
		if err := c.charge(cmd); err != nil {
			return err
		}
	}
	return cmd.err
}

// charge counts a command that is not the first of its message. Once one was refused so are those behind it, without counting against
// the patience with the client, who could not have heeded the warning any sooner.
func (c *client) charge(cmd *command) error {
	if cmd.batch == nil {
		return nil
	}
	if cmd.batch.refused == nil {
		cmd.batch.refused = c.Session().Admit(0)
	}
	return cmd.batch.refused
}

func (c *client) do(cmd *command) (r hub.Receipt, err error) {
	ctx := c.gateway.lines.Context()
	switch cmd.kind {
	case "subscribe":
		if err = c.subscribe(ctx, cmd); err != nil {
			err = cmp.Or(c.charge(cmd), err)
		}
	case "unsubscribe":
		err = c.unsubscribe(cmd)
	case "publish":
		r, err = c.publish(ctx, cmd)
	case "presence":
		err = c.presence(ctx, cmd)
	case "history":
		err = c.history(ctx, cmd)
	case "call":
		err = c.call(cmd)
	case "authenticate":
		err = c.authenticate(ctx, cmd)
	case "ping":
		c.say(begin("pong", cmd.id).end())
	default:
		err = hub.Errorf(hub.UnknownType, "there is no command of the type %.40q; there are %s", cmd.kind, strings.Join(kinds, ", "))
	}
	return r, err
}

// subscribe leaves the answer to Notify, which the hub calls when it comes before everything else of the channel.
func (c *client) subscribe(ctx context.Context, cmd *command) error {
	cursor, err := hub.ParseCursor(cmd.cursor)
	if err != nil {
		return err
	}
	return c.Session().Subscribe(ctx, cmd.channel, hub.SubscribeOptions{
		Recover:  cmd.cursor != "",
		After:    cursor,
		Presence: cmd.presence,
		Tag:      cmd.id,
	})
}

func (c *client) unsubscribe(cmd *command) error {
	if err := hub.CheckChannel(cmd.channel); err != nil {
		return err
	}
	if err := c.Session().Unsubscribe(cmd.channel); err != nil {
		return err
	}
	c.answer(cmd, begin("unsubscribed", cmd.id).text("channel", cmd.channel))
	return nil
}

func (c *client) publish(ctx context.Context, cmd *command) (hub.Receipt, error) {
	if cmd.data == nil {
		return hub.Receipt{}, hub.Errorf(hub.BadRequest, `the command has no "data" to publish; give it some, "" or null for nothing`)
	}
	kind, payload, err := cmd.payload()
	if err != nil {
		return hub.Receipt{}, err
	}
	p := &hub.Publication{Channel: cmd.channel, Event: cmd.event, Kind: kind, Payload: payload, Key: cmd.key}
	r, err := c.Session().Publish(ctx, p, hub.PublishOptions{IdempotencyKey: cmd.idempotencyKey})
	if err != nil {
		return r, err
	}
	o := begin("published", cmd.id).text("channel", cmd.channel).number("offset", r.Offset).text("cursor", r.Cursor())
	o = o.time("time", r.Time).number("subscribers", uint64(r.Subscribers)).number("lagging", uint64(r.Lagging))
	c.answer(cmd, o.flagIf("duplicate", r.Duplicate))
	return r, nil
}

// authenticate may wait, and so is never obeyed on an event loop.
func (c *client) authenticate(ctx context.Context, cmd *command) error {
	if cmd.token == "" {
		return hub.Errorf(hub.BadRequest, `the command has no "token"; give it one`)
	}
	if err := c.Session().Authenticate(ctx, cmd.token); err != nil {
		return err
	}
	who := c.Session().Identity()
	o := begin("authenticated", cmd.id).textIf("user", who.User)
	if !who.Expires.IsZero() {
		o = o.time("expires", who.Expires)
	}
	c.say(o.end())
	c.enter(who.Channels)
	return nil
}

func (c *client) presence(ctx context.Context, cmd *command) error {
	if err := hub.CheckChannel(cmd.channel); err != nil {
		return err
	}
	present, err := c.Session().Presence(ctx, cmd.channel, cmd.limitOr(defaultLimit))
	if err != nil {
		return err
	}
	o := begin("presence", cmd.id).text("channel", cmd.channel).name("members")
	o = append(o, '[')
	from := len(o)
	for i := range present.Members {
		if i > 0 {
			if len(o)-from > maxAnswer {
				break
			}
			o = append(o, ',')
		}
		o = append(o, member(&present.Members[i])...)
	}
	c.say(append(o, ']').counts(present.Sessions, present.Users).end())
	return nil
}

func (cmd *command) limitOr(usual int) int {
	if cmd.limit < 0 {
		return usual
	}
	return cmd.limit
}

func (c *client) history(ctx context.Context, cmd *command) error {
	cursor, err := hub.ParseCursor(cmd.cursor)
	if err != nil {
		return err
	}
	limit := min(cmd.limitOr(defaultLimit), maxHistory)
	if limit == 0 {
		return hub.Errorf(hub.BadRequest, `"limit" is 0; ask for 1 to %d publications`, maxHistory)
	}
	page, recovered, err := message.ReadHistory(ctx, c.Session(), cmd.channel, cursor, limit)
	if err != nil {
		return err
	}
	shape := message.Shape{Channel: true, Conflated: c.gateway.conflates(cmd.channel)}
	o := begin("history", cmd.id).text("channel", cmd.channel).name("messages")
	list, last := message.AppendAll(o, page, shape, maxAnswer)
	o = object(list).text("cursor", hub.Position{Epoch: page.Top.Epoch, Offset: last}.Cursor())
	if cmd.cursor != "" {
		o = o.flag("recovered", recovered)
	}
	c.say(o.flagIf("more", last < page.Top.Offset).end())
	return nil
}

// calls are what a client has asked the server's handler.
type calls struct {
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	places chan struct{} // one is taken by each call that is not answered
}

func (c *client) call(cmd *command) error {
	if cmd.method == "" {
		return hub.Errorf(hub.BadRequest, `the command has no "method" to call; name one`)
	}
	if cmd.channel != "" {
		if err := hub.CheckChannel(cmd.channel); err != nil {
			return err
		}
	}
	if cmd.data == nil {
		cmd.data = []byte("null")
	}
	kind, payload, err := cmd.payload()
	if err != nil {
		return err
	}
	k := c.calling()
	select {
	case k.places <- struct{}{}:
	default:
		return hub.Errorf(hub.TooManyCommands, "%d calls of this client are being answered, which is the limit; wait for an answer", cap(k.places))
	}
	id := cmd.id
	asked := hub.Call{Method: cmd.method, Channel: cmd.channel, Kind: kind, Payload: payload}
	c.gateway.calling.Go(func() {
		defer func() { <-k.places }()
		c.ask(k.ctx, id, asked)
	})
	return nil
}

// calling is called by the connection's handler.
func (c *client) calling() *calls {
	k := c.calls.Load()
	if k == nil {
		k = &calls{places: make(chan struct{}, c.gateway.options.MaxCalls)}
		k.ctx, k.cancel = context.WithCancel(c.gateway.lines.Context())
		c.calls.Store(k)
		if c.gone.Load() {
			k.cancel()
		}
	}
	return k
}

// ask has a call answered.
func (c *client) ask(ctx context.Context, id string, asked hub.Call) {
	kind, payload, err := c.handle(ctx, asked)
	switch {
	case err != nil:
		c.sayError(id, err)
	case id != "":
		c.say(begin("result", id).data(kind, payload).end())
	}
}

// handle asks the program's handler, which may do wrong without harm to others.
func (c *client) handle(ctx context.Context, asked hub.Call) (kind hub.Kind, payload []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			c.gateway.log.Error("the handler of calls panicked", "method", asked.Method, "cause", cause, "stack", string(debug.Stack()))
			err = hub.Errorf(hub.Internal, "the call %.60q failed", asked.Method)
		}
	}()
	kind, payload, err = c.Session().Call(ctx, asked)
	if err == nil && kind == hub.JSON && !json.Valid(payload) {
		c.gateway.log.Error("the handler of calls answered what is said to be JSON but is not", "method", asked.Method)
		err = hub.Errorf(hub.Internal, "the call %.60q failed", asked.Method)
	}
	return kind, payload, err
}
