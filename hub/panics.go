// Receivers that panic: a bug in a gateway ends the session that it happens in, and nobody else's.

package hub

import (
	"fmt"
	"runtime/debug"
)

// receive hands p to the receiver outside of a fan-out. Called with the channel's lock.
func (sub *subscription) receive(p *Publication) (r Reception) {
	defer func() {
		if cause := recover(); cause != nil {
			sub.session.broken(cause)
			r = Refused
		}
	}()
	return sub.session.receiver.Receive(p)
}

// notify tells the receiver n. Called with the channel's lock.
func (sub *subscription) notify(n *Notice) {
	defer func() {
		if cause := recover(); cause != nil {
			sub.session.broken(cause)
		}
	}()
	sub.session.receiver.Notify(n)
}

// broken ends a session whose receiver panicked, soon: the caller holds a channel's lock.
func (s *Session) broken(cause any) {
	s.hub.log.Error("a receiver panicked; its session is ended", "session", s.id, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	s.hub.work(func() { s.End(Errorf(Internal, "the server could not do it; its log says why")) })
}
