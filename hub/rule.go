// Rules: what holds in which channels.

package hub

import (
	"fmt"

	"github.com/ringdown/ringdown/internal/pattern"
)

// Access says who may do something.
type Access uint8

// Who may. The zero value is the safe choice for what is asked.
const (
	ByDefault Access = iota // subscribing: Everyone; publishing: Server
	Everyone                // anonymous clients, too
	Users                   // clients whose user is known
	Server                  // no client
)

// Policy is what happens to a subscriber that reads more slowly than is published.
type Policy uint8

// The policies.
const (
	// Disconnect cuts the client once its outbox is full. It comes back with its cursor and gets what it missed.
	Disconnect Policy = iota
	// DropOldest drops what has waited longest, and tells the client with a gap.
	DropOldest
	// Conflate keeps the newest publication of each key. The client gets it when it is ready for more. Publications
	// without key share one.
	Conflate
)

// Rule is what holds in the channels that match a pattern. The zero value is a channel without history or presence to which
// everybody may subscribe and only the server publishes.
type Rule struct {
	// Pattern is matched against the whole name: "*" is any run of characters, "/" included, "?" is one, "[a-z]" one of a class,
	// "[^a-z]" one that is not of it, and "\" takes their meaning away.
	Pattern string

	Subscribe Access
	Publish   Access

	// History is what is kept for clients that come back and for those that ask.
	History Retention
	// Last has a new subscriber told the last publication; in a channel that conflates, the last of each key that history
	// holds. It keeps one publication even if History keeps none.
	Last bool
	// Presence lets subscribers see who else is there.
	Presence bool

	// Slow is what happens to slow subscribers.
	Slow Policy
	// Backlog is how many bytes of payload may wait for one slow subscriber where Slow is DropOldest or Conflate, beside the
	// outbox of its connection. 0 means DefaultBacklog.
	Backlog int

	// MaxPayload is the longest payload, in bytes. 0 means DefaultMaxPayload.
	MaxPayload int
}

// What a Rule's fields are when they are left zero.
const (
	DefaultBacklog    = 256 << 10
	DefaultMaxPayload = 64 << 10
)

func (r *Rule) matches(channel string) bool { return Matches(r.Pattern, channel) }

// Matches tells whether a pattern, as that of a [Rule], matches a channel's name. A broken pattern matches none.
func Matches(p, channel string) bool {
	return pattern.Match(p, channel)
}

func (r Rule) withDefaults() (Rule, error) {
	if err := pattern.Check(r.Pattern); err != nil {
		return r, fmt.Errorf("hub: the rule's pattern %q is broken: %w; write it as chat:* or news", r.Pattern, err)
	}
	if r.History.Count < 0 || r.History.Age < 0 || r.Backlog < 0 || r.MaxPayload < 0 {
		return r, fmt.Errorf("hub: the rule for %q has a negative bound; leave it out for the default", r.Pattern)
	}
	if r.Subscribe == ByDefault {
		r.Subscribe = Everyone
	}
	if r.Publish == ByDefault {
		r.Publish = Server
	}
	if r.Last && r.History.Count == 0 {
		r.History = Retention{Count: 1}
	}
	if r.Backlog == 0 {
		r.Backlog = DefaultBacklog
	}
	if r.MaxPayload == 0 {
		r.MaxPayload = DefaultMaxPayload
	}
	return r, nil
}
