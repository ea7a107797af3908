// Saying who is in a channel. Each node remembers its own members, says from time to time that they are still there, and brings them back if
// a server forgets them.

package nats

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/ringdown/ringdown/hub"
)

// own are the members that this node has brought into channels.
type own struct {
	// settling is held for writing while members are said to be there again, so that no call comes between.
	settling sync.RWMutex

	mu      sync.Mutex // guards what follows
	members map[membership]hub.Member
	owed    map[membership]bool // that are to leave, but may not have
}

type membership struct{ channel, session string }

// Join implements [hub.Broker].
func (b *Broker) Join(ctx context.Context, channel string, m hub.Member) error {
	return b.move(ctx, channel, m, true, "say who is present")
}

// Leave implements [hub.Broker].
func (b *Broker) Leave(ctx context.Context, channel string, m hub.Member) error {
	return b.move(ctx, channel, m, false, "say who has gone")
}

func (b *Broker) move(ctx context.Context, channel string, m hub.Member, here bool, what string) error {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b.own.settling.RLock()
	defer b.own.settling.RUnlock()
	key := membership{channel, m.Session}
	err = b.say(ctx, key, m, here)
	b.own.mu.Lock()
	defer b.own.mu.Unlock()
	delete(b.own.members, key)
	delete(b.own.owed, key)
	switch {
	case err != nil:
		b.own.owed[key] = true // it is not known to be there, so it leaves as soon as that can be said
		return b.unavailable(err, what, ambiguous(err))
	case here:
		b.own.members[key] = m
	}
	return nil
}

// say stores that a member is there, or not.
func (b *Broker) say(ctx context.Context, key membership, m hub.Member, here bool) error {
	subject := b.names.member(key.channel, key.session)
	if !here {
		return b.sayGone(ctx, subject, m)
	}
	ctx, cancel := b.timed(ctx)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: encodeMember(joinMark, b.run, m)}, whileElecting...)
	return err
}

// goneTries is how often it is tried to let a member leave of which something else is said at the same moment.
const goneTries = 5

// sayGone stores that a member is not there, unless it has come back on another node.
func (b *Broker) sayGone(ctx context.Context, subject string, m hub.Member) error {
	for range goneTries {
		last, found, err := b.newest(ctx, b.streams.Load().members, subject)
		if err != nil {
			return err
		}
		expected := uint64(0)
		if found {
			if here, run, _, err := decodeMember(last.Data); err == nil && here && run != b.run {
				return nil
			}
			expected = last.Sequence
		}
		if _, conflict, err := b.put(ctx, subject, encodeMember(leaveMark, b.run, m), expected); !conflict {
			return err
		}
		if !jitter(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	return errors.New("others say something else of the session all the time")
}

// settleOwn makes owed leaves good, and says of all own members that they are there if that is asked for.
func (b *Broker) settleOwn(ctx context.Context, restore bool) error {
	b.own.mu.Lock()
	var keys []membership
	for key := range b.own.owed {
		keys = append(keys, key)
	}
	for key := range b.own.members {
		if restore {
			keys = append(keys, key)
		}
	}
	b.own.mu.Unlock()
	for len(keys) > 0 {
		n := min(maxLooks, len(keys))
		if err := b.settleSome(ctx, keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// settleSome does it for a few at the same time. It holds up Join and Leave no longer than those would wait anyway.
func (b *Broker) settleSome(ctx context.Context, keys []membership) error {
	b.own.settling.Lock()
	defer b.own.settling.Unlock()
	problems := make(chan error, len(keys))
	for _, key := range keys {
		go func() { problems <- b.settleOne(ctx, key) }()
	}
	var first error
	for range keys {
		if err := <-problems; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (b *Broker) settleOne(ctx context.Context, key membership) error {
	b.own.mu.Lock()
	m, here := b.own.members[key]
	owed := b.own.owed[key]
	b.own.mu.Unlock()
	if !here && !owed {
		return nil
	}
	if err := b.say(ctx, key, m, here); err != nil {
		return err
	}
	b.own.mu.Lock()
	defer b.own.mu.Unlock()
	delete(b.own.owed, key)
	return nil
}

// Presence implements [hub.Broker].
func (b *Broker) Presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Presence{}, err
	}
	defer leave()
	p, err := b.presence(ctx, channel, limit)
	if err != nil {
		return hub.Presence{}, b.unavailable(err, "tell who is present", false)
	}
	return p, nil
}

// presence answers from what a subscription knows if that is up to date.
func (b *Broker) presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	if s := b.subscriptions.byToken(token(channel)); s != nil {
		seq, err := b.newestOf(ctx, b.streams.Load().members, b.names.memberOf(channel)+"*")
		if err != nil {
			return hub.Presence{}, err
		}
		if p, ok := s.presence(seq, limit); ok {
			return p, nil
		}
	}
	all, err := b.members(ctx, channel)
	if err != nil {
		return hub.Presence{}, err
	}
	return presence(all.sessions, limit), nil
}

func (s *subscription) presence(upTo uint64, limit int) (p hub.Presence, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != live || s.crowd.newest != upTo {
		return p, false
	}
	return presence(s.crowd.sessions, limit), true
}
