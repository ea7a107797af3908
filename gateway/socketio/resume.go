// How a client that comes back goes on where it was: it claims what is kept of it, is sent what it has missed, and is in its channels again.

package socketio

import (
	"context"
	"slices"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

const (
	// handover is how long a client waits for its old connection to end.
	handover = 10 * time.Second
	// maxTries is how often what comes after an offset is sent again to a client that never gets any further: something in it may be what ends its
	// connection.
	maxTries = 16
	// maxOffset is how long an offset is taken for one, in bytes.
	maxOffset = 128
)

// tries counts how often a client has come back with the same offset.
type tries struct {
	at string
	n  int
}

// resume has the socket go on where the one was that the client claims, and finds what is to be sent again. A claim that cannot be granted makes a
// new socket.
func (s *Socket) resume(ctx context.Context, c claim, who *hub.Identity) {
	keeper := s.conn.server.keeper
	if c.pid == "" {
		return
	}
	s.takeOver(ctx, c.pid, who.User)
	keeper.seek(+1)
	found := s.conn.server.fetch(ctx, &claimant{c.pid, s.nsp, who.User})
	keeper.seek(-1)
	if !found {
		return
	}
	a, m := keeper.take(c.pid, s, who.User)
	if a == nil {
		return
	}
	runs, known := a.trail.rewind(c.offset)
	runs = a.trail.withdraw(runs, who.Channels)
	if known = known && m.tries.again(c.offset); known {
		m.missed, known = s.findMissed(ctx, a.id, &a.trail, runs)
	}
	if !known {
		keeper.fail(m)
		return
	}
	if len(m.missed) == 0 {
		m.tries = tries{}
	}
	s.id, s.data = a.id, a.data
	s.recovered.Store(true)
	m.trail = a.trail
	m.trail.answer = never // until it is told so
	s.memory = m
}

// again counts one more, and reports whether they are not too many.
func (t *tries) again(offset string) bool {
	if t.at != offset {
		*t = tries{at: offset}
	}
	t.n++
	return t.n <= maxTries
}

// withdraw has the socket in none of the channels in which it was because its identity said so, and not any more, and returns the runs of others.
func (t *trail) withdraw(runs []run, granted []string) []run {
	for _, p := range slices.Clone(t.rooms) {
		if p.by == byIdentity && !slices.Contains(granted, p.channel) {
			t.leave(p.channel)
			runs = slices.DeleteFunc(runs, func(r run) bool { return r.channel == p.channel })
		}
	}
	return runs
}

// takeOver ends the connection on which the client still seems to be: it has left it, without the server having noticed.
func (s *Socket) takeOver(ctx context.Context, pid, user string) {
	if old, ok := s.conn.server.keeper.holder(pid, s.nsp, user); ok && old.conn != s.conn {
		old.giveUp(ctx)
	}
}

// giveUp ends the connection of a socket whose client has come back on another, and waits until what it has left behind is kept.
func (h holder) giveUp(ctx context.Context) {
	h.conn.end(string(engineio.TransportClose))
	h.conn.engine.Close(engineio.ForcedClose)
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	select {
	case <-h.memory.finished:
	case <-ctx.Done():
	}
}

// replayAll sends again what the client missed, as fast as it reads.
func (s *Socket) replayAll() {
	missed := s.missed
	s.missed = nil
	for i := range missed {
		s.sendAgain(&missed[i])
		s.catchBreath()
	}
}

// sendAgain sends an event again. If the client has gone, what was sent before is in the trail once more; the rest is still ahead of it.
func (s *Socket) sendAgain(r *replay) {
	if r.own != nil {
		s.deliver(r.own, nil, false)
		return
	}
	if s.receive(r.publication, r.kept) != hub.Refused || !r.sent {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trail.published(r.publication, never) {
		s.trail.trim(0)
	}
}

// catchBreath waits while half of what may wait for the client does.
func (s *Socket) catchBreath() {
	const longest = 100 * time.Millisecond
	for pause := time.Millisecond; s.conn.engine.Waiting() > s.conn.server.outbox/2 && !s.conn.gone.Load(); pause = min(2*pause, longest) {
		time.Sleep(pause)
	}
}

// again is the tag of a channel that a socket which came back is in again.
type again struct {
	by        origin
	recovered bool // nothing was lost; set by Notify
}

// restore sends the client what it has missed and has the socket in its channels again, before the client is told that it is connected. It reports
// false if something was lost while it did.
func (s *Socket) restore() bool {
	s.replayAll()
	for _, p := range s.places() {
		tag := &again{by: p.by}
		o := hub.SubscribeOptions{Forced: true, Recover: true, After: hub.Cursor{p.Position}, Tag: tag, Presence: s.conn.server.options.Direct.presence(s, p.channel)}
		if err := s.enter(p.channel, o); err != nil || !tag.recovered {
			s.conn.server.log.Warn("a client that came back has lost publications while it did, and begins anew", "socket", s.id, "channel", p.channel, "cause", err)
			return false
		}
	}
	return s.arrive()
}

// places are the channels in which the socket is, and where it goes on in them.
func (s *Socket) places() []place {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := trail{rooms: slices.Clone(s.trail.rooms)}
	for _, r := range s.trail.runs {
		now.reach(r.channel, r.end())
	}
	return now.rooms
}

// arrive has what is sent to the socket's id find it, after what was sent there while the client was on its way. It reports false if that was too much.
func (s *Socket) arrive() bool {
	if s.memory == nil {
		s.namespace.add(s)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespace.add(s)
	parked, all := s.conn.server.keeper.live(s)
	for _, e := range parked {
		s.deliverHere(e, nil, false)
	}
	return all
}

// beginAnew makes a socket of which something was lost on its way a new one, but for its id: by another pid its client learns of it. The
// middlewares are to be asked again.
func (s *Socket) beginAnew() {
	session := s.Session()
	for _, channel := range session.Subscriptions() {
		session.Unsubscribe(channel)
	}
	s.recovered.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms, s.data = nil, nil
	s.trail = trail{at: s.trail.end(), answer: never}
	s.conn.server.keeper.renew(s.memory)
}
