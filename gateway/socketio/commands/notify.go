// What a client is told without having asked: events whose names begin with socketio.OwnEvents.

package commands

import (
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
		s.Emit(presenceEvent, present(n))
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
