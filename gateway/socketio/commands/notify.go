// What a client is told without having asked: events whose names begin with socketio.OwnEvents.

package commands

import (
	"sync/atomic"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

// The events.
const (
	subscribedEvent   = socketio.OwnEvents + "subscribed"   // the server has taken it into a channel
	unsubscribedEvent = socketio.OwnEvents + "unsubscribed" // the server has taken it out of one
	gapEvent          = socketio.OwnEvents + "gap"          // publications were lost
	presenceEvent     = socketio.OwnEvents + "presence"     // somebody has come or gone
)

type subscribed struct {
	Channel   string `json:"channel"`
	Offset    uint64 `json:"offset"`
	Cursor    string `json:"cursor"`
	Forced    bool   `json:"forced,omitempty"`
	Conflated bool   `json:"conflated,omitempty"`
	Recovered *bool  `json:"recovered,omitempty"`
}

type unsubscribed struct {
	Channel string `json:"channel"`
	Reason  string `json:"reason,omitempty"`
}

type gap struct {
	Channel string `json:"channel"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Cursor  string `json:"cursor"`
}

type presence struct {
	Channel  string  `json:"channel"`
	Joined   *member `json:"joined,omitempty"`
	Left     *member `json:"left,omitempty"`
	Sessions int     `json:"sessions"`
	Users    int     `json:"users"`
}

// notify is called by the hub, under the lock of a channel.
func (g *Gateway) notify(s *socketio.Socket, n *hub.Notice) {
	switch n.Type {
	case hub.Subscribed:
		g.entered(s, n)
	case hub.Unsubscribed:
		forgetWatching(s, n.Channel)
		s.Emit(unsubscribedEvent, unsubscribed{n.Channel, n.Reason})
	case hub.Gap:
		s.Emit(gapEvent, gap{n.Channel, n.From, n.To, n.Position.Cursor()})
	case hub.Present:
		if p := g.newest.of(s.Namespace(), n); p != nil {
			s.Tell(p)
		}
	}
}

// entered answers a join, whose acknowledgement so comes before everything else of the channel.
func (g *Gateway) entered(s *socketio.Socket, n *hub.Notice) {
	told := subscribed{Channel: n.Channel, Offset: n.Position.Offset, Cursor: n.Position.Cursor(), Conflated: n.Rule.Slow == hub.Conflate}
	ack, asked := n.Tag.(socketio.Ack)
	switch {
	case asked:
		if n.Asked {
			told.Recovered = &n.Recovered
		}
		ack.Send(answer[subscribed]{true, told})
	case n.Asked && n.Recovered: // it is back, and knows where it was
	case n.Asked:
		s.Emit(gapEvent, gap{Channel: n.Channel, To: n.Position.Offset, Cursor: n.Position.Cursor()})
	default:
		told.Forced = n.Forced
		s.Emit(subscribedEvent, told)
	}
}

// newest is the event of presence that was prepared last. All watchers of a channel are told of it one after the other, so it is encoded once for
// them. The hub lends its notices for the call only, so that they are known by what they say.
type newest struct{ last atomic.Pointer[prepared] }

type prepared struct {
	presenceOf
	info  string
	event *socketio.Prepared
}

// presenceOf is what an event of presence is known by, beside the member's info. All sockets are in one namespace.
type presenceOf struct {
	channel, session, user string
	joined, crowded        bool
	sessions, users        int
}

// of is the event of a notice; nil if it cannot be sent.
func (c *newest) of(namespace *socketio.Namespace, n *hub.Notice) *socketio.Prepared {
	e := n.Presence
	key := presenceOf{channel: n.Channel, crowded: n.Crowded, sessions: e.Sessions, users: e.Users}
	var info []byte
	if !n.Crowded { // otherwise it does not matter who it was
		key.session, key.user, key.joined, info = e.Member.Session, e.Member.User, e.Joined, e.Member.Info
	}
	if last := c.last.Load(); last != nil && last.presenceOf == key && last.info == string(info) {
		return last.event
	}
	event, err := namespace.Prepare(presenceEvent, present(n))
	if err != nil { // the member's info is no JSON
		return nil
	}
	c.last.Store(&prepared{key, string(info), event})
	return event
}

func present(n *hub.Notice) presence {
	p := presence{Channel: n.Channel, Sessions: n.Presence.Sessions, Users: n.Presence.Users}
	who := memberOf(&n.Presence.Member)
	switch {
	case n.Crowded:
	case n.Presence.Joined:
		p.Joined = &who
	default:
		p.Left = &who
	}
	return p
}
