// A client: one connection, its session, and what is said between them.

package native

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// version is the protocol's, which the welcome tells.
const version = 1

// maxMalformed is how many more malformed messages than good ones a client may send.
const maxMalformed = 64

// client is the session's receiver and the connection's Data. There is one for each connection, idle ones too, so it is small.
type client struct {
	line.Line
	gateway   *Gateway
	calls     atomic.Pointer[calls] // nil until the first one
	malformed uint8                 // for the connection's handler
	bye       atomic.Bool           // the client was told that it is disconnected
	gone      atomic.Bool           // the connection has ended
}

// Opened implements [line.Client].
func (c *client) Opened() {
	o := begin("welcome", "").number("protocol", version).text("session", c.Session().ID())
	c.say(o.textIf("user", c.Session().User()).end())
	channels := c.Session().Identity().Channels
	switch {
	case channels == nil:
	case c.gateway.hub.Remote():
		c.Aside(func() { c.enter(channels) })
	default:
		c.enter(channels)
	}
}

// enter subscribes the client to what it has not asked for.
func (c *client) enter(channels []string) {
	for _, channel := range channels {
		if c.Session().Subscribed(channel) {
			continue
		}
		err := c.Session().Subscribe(c.gateway.lines.Context(), channel, hub.SubscribeOptions{Forced: true})
		if err != nil && !errors.Is(err, hub.ErrEnded) {
			c.gateway.log.Warn("a client is not subscribed to a channel that it is to be given", "session", c.Session().ID(), "channel", channel, "cause", err)
		}
	}
}

// Heard implements [line.Client].
func (c *client) Heard(t websocket.MessageType, message []byte) {
	commands, err := read(t, message)
	if err != nil {
		c.sayError("", err)
		c.count()
		return
	}
	c.malformed -= min(c.malformed, 1)
	if c.gateway.hub.Remote() {
		c.Aside(func() { c.obeyAll(commands) })
		return
	}
	for i := range commands {
		if commands[i].kind == "authenticate" { // which may wait for a key server, or for the backend
			c.Aside(func() { c.obeyAll(commands[i:]) })
			return
		}
		if wait, held := c.holds(c.obey(&commands[i])); held {
			c.Aside(func() {
				wait()
				c.obeyAll(commands[i+1:])
			})
			return
		}
	}
}

// Refused implements [line.Client].
func (c *client) Refused(err error) { c.sayError("", err) }

func read(t websocket.MessageType, message []byte) ([]command, error) {
	if t != websocket.Text {
		return nil, hub.Errorf(hub.BadRequest, `the message is binary; send commands as text, and bytes within them as "encoding":"base64"`)
	}
	return parse(message)
}

// count ends the session of a client that does not speak the protocol.
func (c *client) count() {
	if c.malformed++; c.malformed > maxMalformed {
		cause := hub.Errorf(hub.BadRequest, "more than %d malformed messages; see docs/protocol.md for what is understood", maxMalformed)
		c.disconnect(cause)
		c.Session().Blame(cause)
		c.gateway.lines.Journal().Ended(c.Session(), c.Conn().RemoteAddr(), websocket.StatusPolicyViolation, cause)
		c.Conn().Close(websocket.StatusPolicyViolation, cause.Message)
	}
}

// obeyAll obeys commands where it may wait.
func (c *client) obeyAll(commands []command) {
	for i := range commands {
		if wait, held := c.holds(c.obey(&commands[i])); held {
			wait()
		}
	}
}

// holds tells whether the client has to wait before its next command, and how: because of what it has published, or because
// it does not read its answers.
func (c *client) holds(r hub.Receipt) (wait func(), held bool) {
	pause, published := c.Hold(r)
	answers := c.Conn().Waiting() > c.gateway.lines.OutboxBytes()/2
	if !published && !answers {
		return nil, false
	}
	return func() {
		time.Sleep(pause)
		c.drain()
	}, true
}

// drain waits until the client has read most of what waits for it, or is cut because it does not.
func (c *client) drain() {
	const longest = 200 * time.Millisecond
	for pause := time.Millisecond; c.Conn().Waiting() > c.gateway.lines.OutboxBytes()/2; pause = min(2*pause, longest) {
		time.Sleep(pause)
	}
}

// Receive implements [hub.Receiver].
func (c *client) Receive(p *hub.Publication) hub.Reception { return c.Write(c.gateway.frames.Of(p)) }

// Describe implements [hub.Describer].
func (c *client) Describe() hub.Description { return c.About("websocket", "native") }

// Notify implements [hub.Receiver].
func (c *client) Notify(n *hub.Notice) {
	switch n.Type {
	case hub.Subscribed:
		id, _ := n.Tag.(string)
		o := begin("subscribed", id).text("channel", n.Channel).number("offset", n.Position.Offset).text("cursor", n.Position.Cursor())
		if n.Asked {
			o = o.flag("recovered", n.Recovered)
		}
		c.say(o.flagIf("forced", n.Forced).flagIf("conflated", n.Rule.Slow == hub.Conflate).end())
	case hub.Unsubscribed:
		c.say(begin("unsubscribed", "").text("channel", n.Channel).textIf("reason", n.Reason).end())
	case hub.Gap:
		o := begin("gap", "").text("channel", n.Channel).number("from", n.From).number("to", n.To)
		c.say(o.text("cursor", n.Position.Cursor()).end())
	case hub.Present:
		c.say(present(n).end())
	}
}

func present(n *hub.Notice) object {
	o := begin("presence", "").text("channel", n.Channel)
	switch {
	case n.Crowded:
	case n.Presence.Joined:
		o = o.member("joined", &n.Presence.Member)
	default:
		o = o.member("left", &n.Presence.Member)
	}
	return o.counts(n.Presence.Sessions, n.Presence.Users)
}

// End implements [hub.Receiver].
func (c *client) End(cause error) {
	if !errors.Is(cause, hub.ErrEnded) {
		c.disconnect(cause)
	}
	c.Line.End(cause)
}

// disconnect announces that the connection will be closed, and whether to come back. It says so once.
func (c *client) disconnect(cause error) {
	if c.bye.Swap(true) {
		return
	}
	refusal, sentence := hub.RefusalOf(line.Refusal(cause))
	o := begin("disconnect", "").text("code", string(refusal.Code)).text("message", sentence).flag("reconnect", mayReturn(refusal))
	if refusal.Code == hub.ShuttingDown {
		o = strconv.AppendFloat(o.name("retry_after"), c.gateway.lines.ComeBack().Seconds(), 'f', 2, 64)
	}
	c.say(o.end())
}

// mayReturn tells whether a client that was disconnected for this can do better next time by itself.
func mayReturn(r hub.Refusal) bool {
	return r.Status >= 500 || r.Code == hub.TokenExpired || r.Code == hub.RateLimited
}

// Closed implements [line.Client].
func (c *client) Closed(error) {
	c.gone.Store(true)
	if k := c.calls.Load(); k != nil {
		k.cancel()
	}
}

// say writes a message for this client alone.
func (c *client) say(message []byte) {
	if conn := c.Conn(); conn != nil {
		conn.Write(websocket.Text, message) // it refuses only when the connection ends, which all hear of
		return
	}
	c.Write(websocket.Prepare(websocket.Text, message))
}

// answer writes the answer to a command, if it is wanted.
func (c *client) answer(cmd *command, o object) {
	if cmd.id != "" {
		c.say(o.end())
	}
}

// sayError tells why a command was not obeyed.
func (c *client) sayError(id string, err error) {
	if errors.Is(err, hub.ErrEnded) || errors.Is(err, context.Canceled) { // there is nobody to tell
		return
	}
	refusal, sentence := hub.RefusalOf(line.Refusal(err))
	c.gateway.hub.Refused(refusal.Code)
	c.gateway.lines.Journal().Session(c.Session(), err)
	c.say(begin("error", id).text("code", string(refusal.Code)).text("message", sentence).end())
}
