// What can change while a hub runs: its rules and its bounds.

package hub

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// bounds are those of Options that can change.
type bounds struct {
	sessions, subscriptions atomic.Int64
}

// SetRules puts other rules in the place of those that hold, as in Options.Rules; it may be called at any time. From then on they
// decide who may subscribe, publish and read, how long payloads may be, and how much is kept. A channel that has subscribers keeps
// for them, until the last has gone, what it had of presence, of the last publication and of what happens to the slow; nobody is
// unsubscribed. The error says which rule is wrong, and then nothing has changed.
func (h *Hub) SetRules(rules []Rule) error {
	var complete []Rule
	for _, rule := range append(slices.Clone(rules), Rule{Pattern: "*"}) {
		rule, err := rule.withDefaults()
		if err != nil {
			return err
		}
		complete = append(complete, rule)
	}
	h.rules.Store(&complete)
	return nil
}

// SetBounds puts others in the place of Options.MaxSessions and Options.MaxSubscriptions. Sessions and subscriptions that are beyond
// them stay. It may be called at any time.
func (h *Hub) SetBounds(maxSessions, maxSubscriptions int) {
	h.bounds.sessions.Store(int64(cmp.Or(maxSessions, DefaultMaxSessions)))
	h.bounds.subscriptions.Store(int64(cmp.Or(maxSubscriptions, DefaultMaxSubscriptions)))
}
