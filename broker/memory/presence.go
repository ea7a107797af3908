// Who is in a channel.

package memory

import (
	"cmp"
	"slices"

	"github.com/ringdown/ringdown/hub"
)

// presence are the members of a channel. The zero value is empty.
type presence struct {
	members  map[string]hub.Member // by session
	sessions map[string]int        // how many a user has; nothing of those without user
	nameless int                   // sessions without user
}

// add adds a session, and reports whether somebody has come with it who was not there.
func (p *presence) add(m hub.Member) (came bool) {
	if p.members == nil {
		p.members, p.sessions = make(map[string]hub.Member), make(map[string]int)
	}
	p.members[m.Session] = m
	if m.User == "" {
		p.nameless++
		return true
	}
	p.sessions[m.User]++
	return p.sessions[m.User] == 1
}

// remove takes a session out that is in, and reports whether somebody has gone with it who has no other one.
func (p *presence) remove(m hub.Member) (went bool) {
	delete(p.members, m.Session)
	defer func() {
		if len(p.members) == 0 {
			*p = presence{}
		}
	}()
	if m.User == "" {
		p.nameless--
		return true
	}
	if p.sessions[m.User]--; p.sessions[m.User] > 0 {
		return false
	}
	delete(p.sessions, m.User)
	return true
}

func (p *presence) users() int { return len(p.sessions) + p.nameless }

// snapshot returns all members, in no order.
func (p *presence) snapshot() hub.Presence {
	all := hub.Presence{Sessions: len(p.members), Users: p.users()}
	all.Members = make([]hub.Member, 0, len(p.members))
	for _, m := range p.members {
		all.Members = append(all.Members, m)
	}
	return all
}

// first returns the first members by user, then session.
func first(members []hub.Member, limit int) []hub.Member {
	slices.SortFunc(members, func(a, b hub.Member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Session, b.Session))
	})
	return slices.Clip(members[:min(max(0, limit), len(members))])
}

// join adds a session to a channel. One that is there already has its member replaced.
func (b *Broker) join(c *channel, m hub.Member) {
	if before, here := c.present.members[m.Session]; here {
		if before.User == m.User {
			c.present.members[m.Session] = m
			return
		}
		b.leave(c, m.Session)
	}
	if c.present.add(m) {
		b.tell(c, true, m)
	}
}

// leave takes a session out of a channel, if it is there.
func (b *Broker) leave(c *channel, session string) {
	if m, here := c.present.members[session]; here && c.present.remove(m) {
		b.tell(c, false, m)
	}
}

func (b *Broker) tell(c *channel, joined bool, m hub.Member) {
	if c.subscribed {
		b.sink.Present(hub.PresenceEvent{Channel: c.name, Joined: joined, Member: m,
			Sessions: len(c.present.members), Users: c.present.users()})
	}
}
