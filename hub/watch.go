// Watching: who comes into the channels of this node and who leaves them, for whoever keeps account of it.

package hub

// Event is something that happened in a channel of this node. Sessions that are there for one request, and subscriptions with
// SubscribeOptions.Unseen, make none. Unlike presence it does not linger: a client that is back at once has left and joined.
//
// The events of a channel are told one at a time and in the order in which they happened: Occupied, Joined, …, Left, Vacated.
type Event struct {
	Type    EventType
	Channel string
	Member  Member // of Joined and Left: who it is, as it was when it joined
}

// EventType is what happened.
type EventType uint8

// What may happen.
const (
	Joined   EventType = iota // a session subscribed
	Left                      // it is subscribed no more
	Occupied                  // the first one comes
	Vacated                   // the last one has left
)

// tell tells Options.Watch that sub has come or gone. Called with the channel's lock.
func (sub *subscription) tell(what EventType) {
	ch, watch := sub.channel, sub.session.hub.options.Watch
	if watch == nil || sub.unseen {
		return
	}
	if what == Joined {
		if ch.told++; ch.told == 1 {
			watch(Event{Type: Occupied, Channel: ch.name})
		}
	}
	watch(Event{what, ch.name, sub.member()})
	if what == Left {
		if ch.told--; ch.told == 0 {
			watch(Event{Type: Vacated, Channel: ch.name})
		}
	}
}
