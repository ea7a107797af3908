// Who is in a channel, as a part of the state.

package rabbitmq

import (
	"cmp"
	"slices"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// room is a channel that somebody is in.
type room struct {
	Members map[string]member // by session
	Users   map[string]int    // how many sessions each has
	Nobody  int               // sessions without user
}

type member struct {
	Owner string
	hub.Member
}

func (s *state) join(r *record, out *outcome) error {
	m, err := wire.DecodeMember(r.Body)
	if err != nil {
		return err
	}
	at := s.Rooms[r.Channel]
	if at == nil {
		at = &room{Members: make(map[string]member), Users: make(map[string]int)}
		s.Rooms[r.Channel] = at
	}
	if before, ok := at.Members[m.Session]; ok {
		if before.User == m.User {
			at.Members[m.Session] = member{r.Owner, m}
			return nil
		}
		s.leave(r.Channel, m.Session, out)
		s.Rooms[r.Channel] = at
	}
	first := at.Users[m.User] == 0
	at.Members[m.Session] = member{r.Owner, m}
	if m.User == "" {
		at.Nobody++
	} else {
		at.Users[m.User]++
	}
	if first && r.Count == 0 {
		out.events = append(out.events, at.event(r.Channel, true, m))
	}
	return nil
}

func (s *state) leave(channel, session string, out *outcome) {
	at := s.Rooms[channel]
	if at == nil {
		return
	}
	m, ok := at.Members[session]
	if !ok {
		return
	}
	delete(at.Members, session)
	if m.User == "" {
		at.Nobody--
	} else if at.Users[m.User]--; at.Users[m.User] == 0 {
		delete(at.Users, m.User)
	}
	if at.Users[m.User] == 0 {
		out.events = append(out.events, at.event(channel, false, m.Member))
	}
	if len(at.Members) == 0 {
		delete(s.Rooms, channel)
	}
}

func (r *room) event(channel string, joined bool, m hub.Member) hub.PresenceEvent {
	return hub.PresenceEvent{Channel: channel, Joined: joined, Member: m, Sessions: len(r.Members), Users: len(r.Users) + r.Nobody}
}

// presence lists at most limit members.
func (s *state) presence(channel string, limit int) hub.Presence {
	r := s.Rooms[channel]
	if r == nil {
		return hub.Presence{}
	}
	p := hub.Presence{Sessions: len(r.Members), Users: len(r.Users) + r.Nobody}
	if limit <= 0 {
		return p
	}
	for _, m := range r.Members {
		p.Members = append(p.Members, m.Member)
	}
	slices.SortFunc(p.Members, func(a, b hub.Member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Session, b.Session))
	})
	p.Members = slices.Clip(p.Members[:min(limit, len(p.Members))])
	return p
}
