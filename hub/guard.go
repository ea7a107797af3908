// Guards: what a server asks before it lets a client do something that the rules allow.

package hub

import "context"

// Guard may refuse what clients do, or change it: limits are one, the hooks of a backend another. A refusal is an [*Error] that the
// client is told. Guards are asked in the order of Options.Guards, after rights were checked; they are not asked about what the
// server itself does.
type Guard interface {
	// Open is asked before a session is opened; the session has its identity, and is not listed yet. It must not wait. It is the
	// place for [Session.Keep].
	Open(s *Session) error
	// Renew is asked before the session's identity becomes another. It must not wait, nor call the hub. If a guard after it refuses,
	// it is asked again, with the identity that stays.
	Renew(s *Session, who *Identity) error
	// Message is asked for each message that a client sends, of so many bytes, before anything else is done with it; and once more,
	// with 0 bytes, for each further thing that the message asks for. It must not wait. If the client is to be cut, the guard ends
	// the session.
	Message(s *Session, bytes int) error
	// Subscribe is asked before a session is subscribed.
	Subscribe(ctx context.Context, s *Session, channel string) error
	// Publish is asked before p is published. It may change p's payload, kind, event name and key. Where a guard waits, none is asked
	// about what was published already, by its idempotency key.
	Publish(ctx context.Context, s *Session, p *Publication) error
	// Closed tells that a session is over which Open let in; see [Session.Absent].
	Closed(s *Session)
	// Waits tells whether Subscribe and Publish may wait for a network.
	Waits() bool
}

// guardOpen asks the guards whether s may be opened. Those who let it in before another refused are told that it is over.
func (h *Hub) guardOpen(s *Session) error {
	for i, g := range h.options.Guards {
		if err := g.Open(s); err != nil {
			closeGuards(h.options.Guards[:i], s)
			return h.failed(err, Unavailable, "whether this client may connect cannot be told now; try again")
		}
	}
	return nil
}

// guardRenew asks the guards whether s may have another identity.
func (h *Hub) guardRenew(s *Session, who *Identity) error {
	for i, g := range h.options.Guards {
		if err := g.Renew(s, who); err != nil {
			for _, earlier := range h.options.Guards[:i] {
				earlier.Renew(s, s.Identity())
			}
			return h.failed(err, Unavailable, "whether this client may have another identity cannot be told now; try again")
		}
	}
	return nil
}

func closeGuards(guards []Guard, s *Session) {
	for _, g := range guards {
		g.Closed(s)
	}
}

// Admit asks the guards whether a message of the client may be taken. Gateways call it for each, and with 0 bytes for
// each further command of one.
func (s *Session) Admit(bytes int) error {
	for _, g := range s.hub.options.Guards {
		if err := g.Message(s, bytes); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) guardSubscribe(ctx context.Context, s *Session, channel string) error {
	for _, g := range h.options.Guards {
		if err := g.Subscribe(ctx, s, channel); err != nil {
			return h.failed(err, Unavailable, "whether this client may subscribe to %q cannot be told now; try again", channel)
		}
	}
	return nil
}

func (h *Hub) guardPublish(ctx context.Context, s *Session, p *Publication) error {
	for _, g := range h.options.Guards {
		if err := g.Publish(ctx, s, p); err != nil {
			return h.failed(err, Unavailable, "whether this client may publish in %q cannot be told now; try again", p.Channel)
		}
	}
	return s.gone() // which guards may have taken long enough for
}
