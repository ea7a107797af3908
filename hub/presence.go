// Presence: who is in a channel, without the flapping of clients that are soon back.

package hub

import (
	"context"
	"sync"
	"time"
)

// MaxPresence is how many members one answer lists. The counts are always complete.
const MaxPresence = 1000

// A channel with more sessions than crowded tells its watchers not who comes and goes but only the counts, at most once in
// crowdPace: in a room of ten thousand everything else would be ten thousand notices to each of ten thousand.
const (
	crowded   = 500
	crowdPace = time.Second
)

// crowd is what a crowded channel has to tell.
type crowd struct {
	latest PresenceEvent
	timer  *time.Timer // runs until the next telling; nil if there was nothing to tell for a while
	news   bool        // something has happened since the last one
}

// member is the subscription's session as it was when it joined.
func (sub *subscription) member() Member {
	return Member{Session: sub.session.id, User: sub.as.User, Info: sub.as.Info}
}

// Presence tells who is in a channel, at most limit of them and never more than MaxPresence. The error is an [*Error] with
// [BadChannel], [NoPresence] or [Unavailable].
func (h *Hub) Presence(ctx context.Context, channel string, limit int) (Presence, error) {
	if err := CheckChannel(channel); err != nil {
		return Presence{}, err
	}
	if !h.Rule(channel).Presence {
		return Presence{}, Errorf(NoPresence, "the channel %q has no presence; switch it on in the channel's rule", channel)
	}
	present, err := h.broker.Presence(ctx, channel, min(limit, MaxPresence))
	if err != nil {
		return Presence{}, h.failed(err, Unavailable, "cannot tell who is in %q now; try again", channel)
	}
	return present, nil
}

// Presence is [Hub.Presence] on behalf of the client, which must be subscribed; otherwise the error is an [*Error] with
// [NotSubscribed].
func (s *Session) Presence(ctx context.Context, channel string, limit int) (Presence, error) {
	if err := s.may(ToSeePresence, channel, s.hub.Rule(channel)); err != nil {
		return Presence{}, err
	}
	if !s.Subscribed(channel) {
		return Presence{}, Errorf(NotSubscribed, "who is in %.300q is told to its subscribers only; subscribe first", channel)
	}
	return s.hub.Presence(ctx, channel, limit)
}

// Present implements [Sink].
func (h *Hub) Present(e PresenceEvent) {
	ch := h.channel(e.Channel)
	if ch == nil {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch {
	case ch.watching == 0:
	case e.Sessions <= crowded && ch.crowd.timer == nil:
		ch.tellWatchers(&Notice{Type: Present, Presence: &e})
	default:
		ch.crowd.latest, ch.crowd.news = e, true
		if ch.crowd.timer == nil {
			ch.tellCrowd()
		}
	}
}

// tellCrowd tells the counts, and again after a while if they have changed. Called with the channel's lock.
func (ch *channel) tellCrowd() {
	if !ch.crowd.news {
		ch.crowd.timer = nil
		return
	}
	ch.crowd.news = false
	ch.tellWatchers(&Notice{Type: Present, Presence: &ch.crowd.latest, Crowded: true})
	ch.crowd.timer = time.AfterFunc(crowdPace, func() {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		ch.tellCrowd()
	})
}

// leaves are the sessions that have left a channel but are still present in it, for Options.Linger.
type leaves struct {
	hub *Hub

	mu    sync.Mutex // guards what follows
	queue []*leave   // in the order in which they are due
	of    map[leaveKey]*leave
	timer *time.Timer
}

type leaveKey struct{ channel, session string }

type leave struct {
	leaveKey
	member    Member
	due       time.Time
	cancelled bool
	leaving   chan struct{} // made when the broker is about to be told, closed when it has been
}

// later has the member leave the channel once it has lingered.
func (l *leaves) later(channel string, m Member) {
	le := &leave{leaveKey: leaveKey{channel, m.Session}, member: m, due: time.Now().Add(l.hub.options.Linger)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[leaveKey]*leave)
	}
	if before := l.of[le.leaveKey]; before != nil {
		before.cancelled = true
	}
	l.of[le.leaveKey] = le
	l.queue = append(l.queue, le)
	if l.timer == nil {
		l.timer = time.AfterFunc(l.hub.options.Linger, func() { l.hub.work(l.run) })
	}
}

// cancel keeps a session that comes back. One that is just leaving has left when cancel returns, so that it can join again.
func (l *leaves) cancel(channel, session string) {
	l.mu.Lock()
	le := l.of[leaveKey{channel, session}]
	if le == nil {
		l.mu.Unlock()
		return
	}
	le.cancelled = true
	delete(l.of, le.leaveKey)
	leaving := le.leaving
	l.mu.Unlock()
	if leaving != nil {
		<-leaving
	}
}

// run lets those leave that are due, and comes again for the others.
func (l *leaves) run() {
	for _, le := range l.take(time.Now()) {
		l.leave(le)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer = nil; len(l.queue) > 0 {
		l.timer = time.AfterFunc(time.Until(l.queue[0].due), func() { l.hub.work(l.run) })
	}
}

// flush lets all of them leave, at the end of the hub.
func (l *leaves) flush() {
	for _, le := range l.take(time.Now().Add(l.hub.options.Linger)) {
		l.leave(le)
	}
}

// take takes those out that are due.
func (l *leaves) take(now time.Time) (due []*leave) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && !l.queue[0].due.After(now) {
		le := l.queue[0]
		l.queue = l.queue[1:]
		if !le.cancelled {
			le.leaving = make(chan struct{})
			due = append(due, le)
		}
	}
	return due
}

// leave tells the broker.
func (l *leaves) leave(le *leave) {
	defer func() {
		close(le.leaving)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.of[le.leaveKey] == le {
			delete(l.of, le.leaveKey)
		}
	}()
	ctx, cancel := context.WithTimeout(l.hub.ctx, healTimeout)
	defer cancel()
	if err := l.hub.broker.Leave(ctx, le.channel, le.member); err != nil {
		l.hub.log.Warn("a session that has gone may be shown as present until the broker forgets it", "channel", le.channel,
			"session", le.session, "cause", err)
	}
}
