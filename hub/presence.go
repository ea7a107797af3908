// Presence: who is in a channel, without the flapping of clients that are soon back.

package hub

import (
	"container/list"
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
func (h sink) Present(e PresenceEvent) {
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

	mu      sync.Mutex          // guards what follows
	of      map[leaveKey]*leave // those that linger, and those of which the broker is being told
	queue   list.List           // of *leave: those that linger, in the order in which they are due
	timer   *time.Timer
	flushed bool // nobody lingers any more
}

type leaveKey struct{ channel, session string }

type leave struct {
	leaveKey
	member  Member
	due     time.Time
	place   *list.Element // in the queue; nil if it is not in it
	leaving chan struct{} // made when the broker is about to be told, closed when it has been
}

// leavers is how many leaves are told to a broker beyond a network at the same time.
const leavers = 16

// later has the member leave the channel once it has lingered. It is called only for a session that cancel was called for, so the
// broker is not being told of an earlier leave.
func (l *leaves) later(channel string, m Member) {
	le := &leave{leaveKey: leaveKey{channel, m.Session}, member: m}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.of[le.leaveKey]; before != nil {
		l.takeOff(before)
	}
	if l.of == nil {
		l.of = make(map[leaveKey]*leave)
	}
	linger := l.hub.options.Linger
	if l.flushed {
		linger = 0
	}
	le.due = time.Now().Add(linger)
	l.of[le.leaveKey] = le
	le.place = l.queue.PushBack(le)
	if l.timer == nil {
		l.timer = time.AfterFunc(linger, func() { l.hub.work(l.run) })
	}
}

// takeOff is called with the lock.
func (l *leaves) takeOff(le *leave) {
	if le.place != nil {
		l.queue.Remove(le.place)
		le.place = nil
	}
}

// cancel keeps a session that comes back. One that is just leaving has left when cancel returns nil, so that it can join again; the
// error is that of ctx.
func (l *leaves) cancel(ctx context.Context, channel, session string) error {
	l.mu.Lock()
	le := l.of[leaveKey{channel, session}]
	if le == nil {
		l.mu.Unlock()
		return nil
	}
	l.takeOff(le)
	leaving := le.leaving
	if leaving == nil {
		delete(l.of, le.leaveKey)
	}
	l.mu.Unlock()
	if leaving == nil {
		return nil
	}
	select {
	case <-leaving:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run lets those leave that are due, and comes again for the others.
func (l *leaves) run() {
	l.leaveAll(l.hub.ctx, l.take(time.Now()))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if first := l.queue.Front(); first != nil {
		l.timer = time.AfterFunc(time.Until(first.Value.(*leave).due), func() { l.hub.work(l.run) })
	}
}

// flush lets all of them leave, at the end of the hub, or as many as ctx has time for.
func (l *leaves) flush(ctx context.Context) {
	l.mu.Lock()
	l.flushed = true
	l.mu.Unlock()
	l.leaveAll(ctx, l.take(time.Now().Add(l.hub.options.Linger)))
}

// take takes those out that are due.
func (l *leaves) take(now time.Time) (due []*leave) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for first := l.queue.Front(); first != nil; first = l.queue.Front() {
		le := first.Value.(*leave)
		if le.due.After(now) {
			break
		}
		l.takeOff(le)
		due = append(due, le)
	}
	return due
}

// leaveAll tells the broker of some, a few at a time; when ctx ends, it has not told of all of them.
func (l *leaves) leaveAll(ctx context.Context, all []*leave) {
	told := 0
	var telling sync.WaitGroup
	room := make(chan struct{}, 1) // in order, where that takes no time
	if l.hub.broker.Remote() {
		room = make(chan struct{}, leavers)
	}
	for _, le := range all {
		if ctx.Err() != nil {
			break
		}
		room <- struct{}{}
		told++
		telling.Go(func() {
			l.leave(ctx, le)
			<-room
		})
	}
	telling.Wait()
	if n := len(all) - told; n > 0 && l.hub.broker.Remote() {
		l.hub.log.Warn("the hub has no time left to tell its broker of sessions that have gone; they may be shown as present until it forgets them",
			"sessions", n)
	}
}

// leave tells the broker, unless the session has come back.
func (l *leaves) leave(ctx context.Context, le *leave) {
	told, ok := l.begin(le)
	if !ok {
		return
	}
	defer told()
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if err := l.hub.broker.Leave(ctx, le.channel, le.member); err != nil {
		l.hub.log.Warn("a session that has gone may be shown as present until the broker forgets it", "channel", le.channel,
			"session", le.session, "cause", err)
	}
}

// begin reports whether the session is still to leave; told is then to be called once it has.
func (l *leaves) begin(le *leave) (told func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[le.leaveKey] != le {
		return nil, false
	}
	le.leaving = make(chan struct{})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(le.leaving)
		delete(l.of, le.leaveKey)
	}, true
}
