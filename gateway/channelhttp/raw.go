// Raw WebSockets: what a client sends is published as it is, and publications arrive as they were published.

package channelhttp

import (
	"context"
	"net/http"
	"slices"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// raw is a client on a raw WebSocket. It has no words for anything but publications, so whatever else it must not miss closes it,
// with a reason.
type raw struct {
	line.Line
	channel string
	resume  *hub.Cursor // where it goes on, until it is subscribed; nil if it begins anew
	json    bool        // its text is JSON
}

func (g *Gateway) serveRaw(w http.ResponseWriter, r *http.Request, q *request) error {
	if q.several() {
		return hub.Errorf(hub.BadRequest, "a raw WebSocket is one channel, and the request names %d; open one for each, or use /connect",
			len(q.channels))
	}
	c := &raw{channel: q.channels[0], json: q.json}
	if q.resume {
		c.resume = &q.after
	}
	if err := g.lines.Open(c, q.who); err != nil {
		return err
	}
	// A client whose handshake is done hears everything from then on, so it is subscribed before. Browsers see no answer but a good
	// one: who may not subscribe is told by a Close frame.
	c.subscribe(r.Context())
	if err := g.lines.Accept(w, r, c); err != nil { // which has answered
		g.lines.Journal().Request(r, c.Session().ID(), err)
	}
	return nil
}

// subscribe joins the channel. What is published from now on waits for the connection.
func (c *raw) subscribe(ctx context.Context) {
	o := hub.SubscribeOptions{}
	if c.resume != nil {
		o.Recover, o.After = true, *c.resume
		c.resume = nil
	}
	if err := c.Session().Subscribe(ctx, c.channel, o); err != nil {
		c.Session().End(err)
	}
}

// Heard publishes what the client sends.
func (c *raw) Heard(t websocket.MessageType, payload []byte) {
	kind := hub.Text
	switch {
	case t == websocket.Binary:
		kind = hub.Binary
	case c.json:
		kind = hub.JSON
	}
	p := &hub.Publication{Channel: c.channel, Kind: kind, Payload: slices.Clone(payload)}
	c.Publish(p, c.Session().End)
}

// Receive implements [hub.Receiver].
func (c *raw) Receive(p *hub.Publication) hub.Reception { return c.Write(frames.Of(p)) }

// Describe implements [hub.Describer].
func (c *raw) Describe() hub.Description {
	d := c.About("websocket", "raw")
	d.Fixed = true
	return d
}

// Notify implements [hub.Receiver].
func (c *raw) Notify(n *hub.Notice) {
	switch {
	case n.Type == hub.Subscribed && n.Asked && !n.Recovered:
		c.End(hub.Errorf(hub.SlowConsumer, "what came after this cursor cannot be recovered; connect without ?after= to begin anew"))
	case n.Type == hub.Gap:
		c.End(hub.Errorf(hub.SlowConsumer, "slow consumer: publications %d to %d were lost; reconnect, and read the history with GET", n.From, n.To))
	case n.Type == hub.Unsubscribed:
		c.End(hub.Errorf(hub.NotAllowed, "taken out of the channel: %s", n.Reason))
	}
}
