// Finding out where a channel is: when it is subscribed to, when something may have been missed, and from time to time. What comes meanwhile
// is held.

package nats

import (
	"context"
	"sync"
	"time"
)

// doubt has the position asked for again.
func (s *subscription) doubt(came place, twice bool) {
	s.broker.options.Log.Warn("nats: a publication does not fit what came before; the server has lost some", "channel", s.channel,
		"came", came.Position, "after", s.at.Position)
	s.standing, s.twice = asking, s.twice || twice
	s.broker.lookSoon()
}

// interrupt begins to hold what comes, because the connection has gone or something was dropped. Called without the lock.
func (s *subscription) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != left {
		s.standing, s.hole = asking, false
		s.lost++
	}
}

// settle asks where the channel is, and who is in it, until that is known. Called without the lock.
func (s *subscription) settle(ctx context.Context) error {
	select {
	case s.settled <- struct{}{}:
		defer func() { <-s.settled }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		s.mu.Lock()
		standing, lost, seen, twice, hole := s.standing, s.lost, s.at, s.twice, s.hole
		s.mu.Unlock()
		if standing != asking {
			return nil
		}
		if hole {
			if err := s.fetch(ctx, seen.seq, lost); err != nil {
				return err
			}
			continue
		}
		if err := s.broker.audible(ctx); err != nil {
			return err
		}
		now, members, err := s.ask(ctx, seen, twice)
		if err != nil {
			return err
		}
		if s.answered(lost, now, members) {
			return nil
		}
	}
}

// ask asks for both at the same time.
func (s *subscription) ask(ctx context.Context, seen place, twice bool) (now place, members *snapshot, err error) {
	var asked sync.WaitGroup
	var problem error
	asked.Go(func() { members, problem = s.broker.members(ctx, s.channel) })
	now, err = s.broker.position(ctx, s.channel, seen, twice)
	asked.Wait()
	if err == nil {
		err = problem
	}
	return now, members, err
}

// answered ends asking: what is held and new is delivered, and the sink is told if that is not all there was. It is false if the connection
// was lost meanwhile. Nothing has been delivered since it was asked, so which of two numberings is the present one the answer says; times do not
// tell, for the clocks of publishers differ. Called without the lock.
func (s *subscription) answered(lost int, now place, members *snapshot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != asking {
		return true
	}
	if s.lost != lost {
		return false
	}
	known, renumbered := s.known, s.known && now.Epoch != s.at.Epoch
	s.standing, s.twice, s.known = live, false, true
	if !known || renumbered {
		s.reach(now)
	}
	if renumbered {
		s.interrupted()
	}
	s.replace(members, !known)
	s.release()
	s.expected = now
	if s.standing == live && now.Epoch == s.at.Epoch && now.Offset > s.at.Offset {
		s.reach(now)
		s.interrupted()
	}
	return s.standing != asking
}

func (s *subscription) interrupted() {
	s.broker.counters.interrupted.Add(1)
	s.broker.sink.Interrupted(s.channel)
}

// verify compares with where the channel is: another numbering of which nothing has come, or a publication that has not come since it
// was last looked, is told. Called without the lock.
func (s *subscription) verify(ctx context.Context) error {
	asked := s.place()
	now, members, err := s.ask(ctx, asked, false)
	if err == nil {
		err = s.touch(ctx, now)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != live {
		return nil
	}
	if members.upTo > s.crowd.newest { // what was said last has not come; if it does yet, it says nothing new
		s.replace(members, false)
	}
	renumbered := s.expected.Epoch == now.Epoch && now.Epoch != s.at.Epoch && asked.Epoch == s.at.Epoch // otherwise it is from before what was delivered
	missed := s.expected.Epoch == s.at.Epoch && s.expected.Offset > s.at.Offset
	s.expected = now
	if renumbered || missed {
		s.reach(now)
		s.interrupted()
	}
	return nil
}

// touch keeps a numbering from expiring while nothing is published: it stores a message that says nothing. Called without the lock, by
// the heartbeat.
func (s *subscription) touch(ctx context.Context, now place) error {
	b := s.broker
	if due := b.options.MaxAge / 2; time.Since(now.time) < due || time.Since(s.touched) < due {
		return nil
	}
	_, _, err := b.put(ctx, b.names.publications(s.channel), appendMessage(nil, "", now), now.seq)
	if err == nil {
		s.touched = time.Now()
	}
	return err
}
