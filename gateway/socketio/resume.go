// How a client that comes back gets what it missed.

package socketio

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

const (
	// maxMissed is how many publications a client may have missed to recover.
	maxMissed = 10_000
	// historyPage is how many are read at a time.
	historyPage = 256
	// handover is how long a client waits for its old connection to end.
	handover = 10 * time.Second
)

// resume has the socket go on where the one was that the client claims, and finds what is to be sent again. A claim that cannot be granted makes a
// new socket.
func (s *Socket) resume(ctx context.Context, c claim, who *hub.Identity) {
	server := s.conn.server
	if c.pid == "" {
		return
	}
	s.takeOver(ctx, c.pid, who.User)
	if !server.fetch(ctx, c.pid) {
		return
	}
	a, m := server.keeper.take(c.pid, s, who.User)
	if a == nil {
		return
	}
	runs, known := a.trail.rewind(c.offset)
	var missed []replay
	if known {
		missed, known = s.findMissed(ctx, &a.trail, runs)
	}
	if !known {
		server.keeper.fail(m)
		return
	}
	s.id, s.recovered, s.data = a.id, true, a.data
	m.trail = a.trail
	m.trail.answer = never // until it is told so
	m.missed = missed
	s.memory = m
}

// takeOver ends the connection on which the client still seems to be: it has left it, without the server having noticed.
func (s *Socket) takeOver(ctx context.Context, pid, user string) {
	old, ok := s.conn.server.keeper.holder(pid, s.nsp, user)
	if !ok || old.conn == s.conn {
		return
	}
	old.conn.end(string(engineio.TransportClose))
	old.conn.engine.Close(engineio.ForcedClose)
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	select {
	case <-old.memory.finished:
	case <-ctx.Done():
	}
}

// findMissed reads what came after the trail's end, and reports false if not all of it can be had.
func (s *Socket) findMissed(ctx context.Context, t *trail, runs []run) (all []replay, ok bool) {
	for _, p := range t.rooms {
		if all, ok = s.readAfter(ctx, all, p.channel, p.Position, never); !ok {
			return nil, false
		}
	}
	for _, r := range runs {
		switch {
		case r.own != nil:
			all = append(all, replay{own: r, time: r.time})
		case r.channel == "" || t.in(r.channel):
		default: // it has left the channel since
			if all, ok = s.readAfter(ctx, all, r.channel, hub.Position{Epoch: r.epoch, Offset: r.first - 1}, r.last); !ok {
				return nil, false
			}
		}
	}
	inOrder(all)
	return all, true
}

// readAfter appends the publications of a channel after a position, up to an offset.
func (s *Socket) readAfter(ctx context.Context, all []replay, channel string, after hub.Position, to uint64) ([]replay, bool) {
	for after.Offset < to {
		page, err := s.conn.server.hub.History(ctx, channel, hub.Query{After: after.Offset, Limit: historyPage})
		if err != nil || page.Top.Epoch != after.Epoch || page.Top.Offset < after.Offset || page.Lost > 0 {
			return nil, false
		}
		for _, p := range page.Publications {
			if p.Offset <= to {
				all = append(all, replay{publication: p, time: p.Time})
			}
			after.Offset = p.Offset
		}
		if len(all) > maxMissed {
			return nil, false
		}
		if len(page.Publications) == 0 || after.Offset >= page.Top.Offset {
			break
		}
	}
	return all, true
}

// replayAll sends again what the client missed, as fast as it reads.
func (s *Socket) replayAll() {
	if !s.recovered {
		return
	}
	missed := s.missed
	s.missed = nil
	channels := make([]string, len(s.trail.rooms))
	for i, p := range s.trail.rooms {
		channels[i] = p.channel
	}
	s.mu.Lock()
	s.rooms = channels // for exceptions
	s.mu.Unlock()
	for i := range missed {
		s.sendAgain(&missed[i])
		s.catchBreath()
	}
	s.mu.Lock()
	s.rooms = nil
	s.mu.Unlock()
}

// sendAgain sends an event again, and has it in the trail, whether or not the client is still there.
func (s *Socket) sendAgain(r *replay) {
	p := r.publication
	if p == nil {
		s.deliver(r.own.own, nil, false)
		return
	}
	if s.receive(p, p.Except != nil && s.excepted(p) || p.Form&hub.Fleeting != 0) != hub.Refused {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.trail.in(p.Channel) { // otherwise the channel's place says that it is missed
		s.trail.published(p, never)
	}
}

// catchBreath waits while half of what may wait for the client does.
func (s *Socket) catchBreath() {
	const longest = 100 * time.Millisecond
	for pause := time.Millisecond; s.conn.engine.Waiting() > s.conn.server.outbox/2 && !s.conn.gone.Load(); pause = min(2*pause, longest) {
		time.Sleep(pause)
	}
}

// again is where the channels that the client was in are to go on.
func (s *Socket) again() map[string]hub.Position {
	if !s.recovered {
		return nil
	}
	at := make(map[string]hub.Position)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.trail.rooms {
		at[p.channel] = p.Position
	}
	for _, r := range s.trail.runs {
		if p, in := at[r.channel]; in && p.Epoch == r.epoch {
			at[r.channel] = hub.Position{Epoch: p.Epoch, Offset: max(p.Offset, r.last)}
		}
	}
	return at
}
