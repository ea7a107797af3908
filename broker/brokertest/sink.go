// A sink that watches whether a broker keeps the promises that hold at any time.

package brokertest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/hub"
)

// sink keeps what it is told, and fails the test if deliveries of a channel come at the same time, not in order, with a hole,
// twice, or after Close.
type sink struct {
	c      *cluster
	closed atomic.Bool

	mu       sync.Mutex // guards what follows
	streams  map[string]*stream
	presence []hub.PresenceEvent
	messages []string // of other nodes: who, colon, what
}

// stream is what came of one channel.
type stream struct {
	busy     atomic.Bool // a delivery is under way
	from     hub.Position
	expected bool // from is where a subscription began
	all      []*hub.Publication
}

func newSink(c *cluster) *sink { return &sink{c: c, streams: make(map[string]*stream)} }

func (s *sink) stream(channel string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[channel] == nil {
		s.streams[channel] = new(stream)
	}
	return s.streams[channel]
}

// Deliver implements [hub.Sink].
func (s *sink) Deliver(p *hub.Publication) {
	st := s.stream(p.Channel)
	if st.busy.Swap(true) {
		s.c.Errorf("%q: two deliveries at the same time", p.Channel)
	}
	defer st.busy.Store(false)
	if s.closed.Load() {
		s.c.Errorf("%q: a delivery after Close", p.Channel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(st.all); n > 0 && st.all[n-1].Epoch == p.Epoch && p.Offset != st.all[n-1].Offset+1 {
		s.c.Errorf("%q: offset %d was delivered after %d", p.Channel, p.Offset, st.all[n-1].Offset)
	}
	st.all = append(st.all, p)
}

// Present implements [hub.Sink].
func (s *sink) Present(e hub.PresenceEvent) {
	if s.closed.Load() {
		s.c.Errorf("%q: a presence event after Close", e.Channel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.presence = append(s.presence, e)
}

// Told implements [hub.ClusterSink].
func (s *sink) Told(from string, message []byte) {
	if s.closed.Load() {
		s.c.Errorf("a message of %q after Close", from)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, from+": "+string(message))
}

// Unheard implements [hub.ClusterSink]. A broker may be more careful than it needs to be.
func (s *sink) Unheard() {}

// told are the messages of other nodes.
func (s *sink) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// forget forgets them.
func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Interrupted implements [hub.Sink]. No test interrupts anything, but a broker may be more careful than it needs to be.
func (s *sink) Interrupted(string) {}

// expect begins a channel anew: what counts is what comes after a position.
func (s *sink) expect(channel string, position hub.Position) {
	st := s.stream(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.from, st.expected = position, true
	st.all = slices.DeleteFunc(slices.Clone(st.all), func(p *hub.Publication) bool {
		return p.Epoch != position.Epoch || p.Offset <= position.Offset
	})
	if len(st.all) > 0 && st.all[0].Offset != position.Offset+1 {
		s.c.Errorf("%q: subscribed at %d, but the first delivery is %d", channel, position.Offset, st.all[0].Offset)
	}
}

// delivered is what came of a channel since it was subscribed to, or at all if it was not.
func (s *sink) delivered(channel string) []*hub.Publication {
	st := s.stream(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(st.all) > 0 && st.expected && st.all[0].Position() != (hub.Position{Epoch: st.from.Epoch, Offset: st.from.Offset + 1}) {
		s.c.Errorf("%q: subscribed at %v, but the first delivery is %v", channel, st.from, st.all[0].Position())
	}
	return slices.Clone(st.all)
}

// await waits until so many publications of a channel were delivered, and returns all there are.
func (s *sink) await(channel string, n int) []*hub.Publication {
	s.c.Helper()
	s.c.eventually(func() bool { return len(s.delivered(channel)) >= n }, "%d deliveries in %q", n, channel)
	s.c.quiet()
	return s.delivered(channel)
}

// events are the presence events of a channel.
func (s *sink) events(channel string) []hub.PresenceEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.presence), func(e hub.PresenceEvent) bool { return e.Channel != channel })
}

// awaitEvents waits until so many presence events of a channel have come, and returns all there are.
func (s *sink) awaitEvents(channel string, n int) []hub.PresenceEvent {
	s.c.Helper()
	s.c.eventually(func() bool { return len(s.events(channel)) >= n }, "%d presence events in %q", n, channel)
	s.c.quiet()
	return s.events(channel)
}
