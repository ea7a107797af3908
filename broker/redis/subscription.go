// A channel that this node is subscribed to: where it is, and what of that which comes is new.

package redis

import (
	"sync"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// place is a position and the time of the publication there, in microseconds. Within one numbering both grow from publication to
// publication; a server sees to it. If one of them does not, the server has forgotten something and gives offsets twice.
type place struct {
	hub.Position
	time int64
}

// standing is the state of a subscription.
type standing uint8

const (
	asking standing = iota // where the channel is must be asked for; what comes meanwhile is held
	live                   // what comes is delivered
	left                   // nothing is delivered any more
)

// maxHeld is how many messages of a channel are held while its position is asked for. More of them are a hole, which the hub heals.
const maxHeld = 4096

// subscription is made by Subscribe and ends with Unsubscribe.
type subscription struct {
	part    *partition
	channel string
	lane    *lane

	mu        sync.Mutex // guards what follows; held while the sink is told, so that it is told in order
	retention hub.Retention
	standing  standing
	known     bool   // at is: this is not the first time that the position is asked for
	at        place  // of what was delivered last
	over      string // the epoch before that of at; what still comes of it says nothing
	expected  place  // where the channel was when it was last looked at; what is delivered gets there soon
	twice     bool   // the numbering is known to be given twice
	held      []string
	dropped   bool          // more came than can be held
	begun     chan struct{} // closed once the position is known for the first time

	newest newest // at, for those who cannot wait for the sink
}

// newest is a place with a lock of its own.
type newest struct {
	mu sync.Mutex
	at place
}

// reach moves the subscription to a place. Called with the lock.
func (s *subscription) reach(at place) {
	if at.Epoch != s.at.Epoch {
		s.over = s.at.Epoch
	}
	s.at = at
	s.newest.mu.Lock()
	defer s.newest.mu.Unlock()
	s.newest.at = at
}

// seen is the newest that is known of the channel. It does not wait for a delivery.
func (s *subscription) seen() place {
	s.newest.mu.Lock()
	defer s.newest.mu.Unlock()
	return s.newest.at
}

// receive takes a message of the channel. It runs on the goroutine of its lane.
func (s *subscription) receive(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.standing == live:
		s.take(message)
	case s.standing == asking && len(s.held) < maxHeld:
		s.held = append(s.held, message)
	case s.standing == asking:
		s.dropped = true
	}
}

// take hands a message to the sink. Called with the lock, like all below.
func (s *subscription) take(message string) {
	b := []byte(message)
	switch wire.TypeOf(b) {
	case wire.Publication:
		if p, err := wire.Decode(b); err == nil {
			s.deliver(p)
			return
		}
	case wire.Presence:
		if e, err := wire.DecodePresence(b); err == nil {
			e.Channel = s.channel
			s.part.broker.sink.Present(e)
			return
		}
	}
	s.part.broker.unreadable(s.channel)
}

func (s *subscription) deliver(p *hub.Publication) {
	now := place{p.Position(), p.Time.UnixMicro()}
	same, further, later := now.Epoch == s.at.Epoch, now.Offset > s.at.Offset, now.time > s.at.time
	switch {
	case same && !further && !later:
		return // it was there when the position was asked for
	case same && further != later:
		s.doubt(p, true)
		return
	case !same && !later && now.Epoch == s.over: // it was on its way when the numbering ended
		return
	case !same && (!later || now.Epoch == s.over): // by a clock that was set back, or the server is back at a copy
		s.doubt(p, false)
		return
	}
	s.reach(now)
	p.Channel = s.channel
	s.part.broker.counters.received.Add(1)
	s.part.broker.sink.Deliver(p)
}

// doubt asks again where the channel is.
func (s *subscription) doubt(p *hub.Publication, twice bool) {
	s.part.broker.options.Log.Warn("redis: a publication does not fit what came before; the server has lost some", "channel", s.channel,
		"came", p.Position(), "after", s.at.Position)
	s.standing, s.twice = asking, s.twice || twice
	s.part.link.look(s)
}

// interrupt begins to hold what comes, because the connection has gone.
func (s *subscription) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing == live {
		s.standing = asking
	}
}

// question is what is asked of the server.
func (s *subscription) question() question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return question{s.channel, s.retention, s.at, s.twice}
}

// answered ends asking, if nothing has been delivered since the position was asked for: what is held and new is delivered, and the sink is
// told if that is not all there was. Which of two numberings is the present one the server alone knows; times do not tell, for the clock of one that
// has lost everything may be behind.
func (s *subscription) answered(asked, now place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != asking || s.at != asked { // otherwise it is asked again
		return
	}
	held, dropped, renumbered := s.held, s.dropped, s.known && now.Epoch != s.at.Epoch
	s.standing, s.held, s.dropped, s.twice = live, nil, false, false
	if !s.known || renumbered {
		s.reach(now)
	}
	if !s.known {
		s.known = true
		close(s.begun)
	}
	if renumbered {
		s.interrupted()
	}
	for _, message := range held {
		if s.standing != live { // in doubt again
			s.held = append(s.held, message)
			continue
		}
		s.take(message)
	}
	if s.standing != live {
		return
	}
	s.expected = now
	if behind := now.Epoch == s.at.Epoch && now.Offset > s.at.Offset; behind || dropped {
		if behind {
			s.reach(now)
		}
		s.interrupted()
	}
}

func (s *subscription) interrupted() {
	s.part.broker.counters.interrupted.Add(1)
	s.part.broker.sink.Interrupted(s.channel)
}

// looked compares with where the channel is, while it is live: another numbering of which nothing has come, or a publication
// that has not come since it was last looked, is told.
func (s *subscription) looked(asked, now place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != live {
		return
	}
	renumbered := now.Epoch != s.at.Epoch && asked.Epoch == s.at.Epoch // otherwise the answer is from before what was delivered
	missed := s.expected.Epoch == s.at.Epoch && s.expected.Offset > s.at.Offset
	s.expected = now
	if renumbered || missed {
		s.reach(now)
		s.interrupted()
	}
}

// keep changes what is kept of the channel.
func (s *subscription) keep(r hub.Retention) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retention = r
}

// leave ends it.
func (s *subscription) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing, s.held = left, nil
}

// position is where a subscription is that has begun: what is there has been handed to the sink, not only begun to be.
func (s *subscription) position() hub.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.Position
}
