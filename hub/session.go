// A session: one client, and the channels it is subscribed to.

package hub

// Session is one client of the hub. It is opened by [Hub.Open], may be ended by the hub or by anybody for a cause, and is
// closed by its gateway.
//
// A session that has ended is subscribed to nothing any more; one that is closed has also given back its place in the hub.
type Session struct {
	hub      *Hub
	receiver Receiver

	// guarded by hub.mu
	first *subscription // the newest, which links to the others
	ended bool
}

// subscription ties a session to a channel.
type subscription struct {
	channel *channel
	at      int           // its place in channel.members; guarded by channel.mu
	next    *subscription // of the same session; guarded by hub.mu
}

// Subscribe adds the session to a channel: its receiver is handed every publication from now on. Subscribing twice is
// subscribing once. The error says what is wrong with the name, or is [ErrEnded].
func (s *Session) Subscribe(channel string) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	return s.hub.subscribe(s, channel)
}

// End ends the session for the cause given, which must not be nil: it leaves its channels, and its receiver is told. The
// session keeps its place until its gateway closes it. Only the first end counts.
func (s *Session) End(cause error) {
	if s.hub.end(s) {
		s.receiver.End(cause)
	}
}

// Close takes the session out of its channels and gives back its place in the hub. The receiver is not told: it is its
// gateway that calls Close. It may be called more than once.
func (s *Session) Close() { s.hub.remove(s) }

// subscribed tells whether the session is subscribed to ch. Called with hub.mu held.
func (s *Session) subscribed(ch *channel) bool {
	for sub := s.first; sub != nil; sub = sub.next {
		if sub.channel == ch {
			return true
		}
	}
	return false
}
