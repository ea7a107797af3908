// A channel: its members, and the fan-out to them.

package hub

import "sync"

// channel is a name that somebody is subscribed to.
type channel struct {
	name string

	mu      sync.Mutex // also makes the order of publications: whoever holds it is next at every receiver
	members []member
}

// member is a subscription together with its receiver, so that the fan-out finds all it needs in one array.
type member struct {
	receiver Receiver
	*subscription
}

// fanOut hands p to every member.
func (ch *channel) fanOut(p *Publication) (r Receipt) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for i := range ch.members {
		switch ch.members[i].receiver.Receive(p) {
		case Taken:
			r.Taken++
		case Late:
			r.Taken++
			r.Late++
		}
	}
	return r
}

func (ch *channel) size() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.members)
}

func (ch *channel) add(sub *subscription, r Receiver) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	sub.at = len(ch.members)
	ch.members = append(ch.members, member{r, sub})
}

// remove takes sub out, puts the last member in its place, and reports whether nobody is left.
func (ch *channel) remove(sub *subscription) (empty bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	last := len(ch.members) - 1
	moved := ch.members[last]
	ch.members[sub.at], moved.at = moved, sub.at
	ch.members[last] = member{}
	ch.members = ch.members[:last]
	return last == 0
}
