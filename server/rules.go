// What holds in the channels of a node: who may do what there, and what is kept.

package server

import (
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
)

// The words of the configuration for what a rule says.
var (
	access   = map[string]hub.Access{"everyone": hub.Everyone, "users": hub.Users, "server": hub.Server}
	policies = map[string]hub.Policy{"disconnect": hub.Disconnect, "drop_oldest": hub.DropOldest, "conflate": hub.Conflate}
)

// rules are what a node lets its clients do: what the configuration says; if it says nothing, everybody may listen, and in dev mode
// everybody may speak, too.
func rules(c *config.Config) []hub.Rule {
	if len(c.Rules) == 0 {
		return builtin(c)
	}
	var all []hub.Rule
	for _, r := range c.Rules {
		rule := hub.Rule{
			Pattern:    r.Pattern,
			Subscribe:  access[r.Subscribe],
			Publish:    access[r.Publish],
			History:    hub.Retention{Count: r.History.Count, Age: r.History.Age},
			Last:       r.Last,
			Presence:   r.Presence,
			Slow:       policies[r.Slow],
			Backlog:    int(r.Backlog),
			MaxPayload: int(r.MaxPayload),
		}
		if r.MaxPayload == 0 {
			rule.MaxPayload = int(c.Limits.MessageSize)
		}
		all = append(all, rule)
	}
	// What no rule matches is as if there were none: readable, with no memory.
	return append(all, hub.Rule{Pattern: "*", MaxPayload: int(c.Limits.MessageSize)})
}

// newestOnly are the channels in dev mode that conflate by key: those to try what that does, and those of the demonstration pages.
var newestOnly = []string{"ticker:*", "demo:prices", "demo:metrics", "demo:sensors", "cursors:*"}

func builtin(c *config.Config) []hub.Rule {
	if !c.Dev {
		return []hub.Rule{{
			Pattern:    "*",
			Publish:    hub.Server,
			History:    hub.Retention{Count: 100, Age: 5 * time.Minute},
			MaxPayload: int(c.Limits.MessageSize),
		}}
	}
	everything := hub.Rule{
		Pattern:    "*",
		Publish:    hub.Everyone,
		History:    hub.Retention{Count: 1000, Age: 10 * time.Minute},
		Presence:   true,
		MaxPayload: int(c.Limits.MessageSize),
	}
	var all []hub.Rule
	for _, pattern := range newestOnly {
		newest := everything
		newest.Pattern, newest.Slow, newest.Last = pattern, hub.Conflate, true
		all = append(all, newest)
	}
	game := everything // where every publication is all there is to know, thirty times a second
	game.Pattern, game.Slow, game.History = "demo:game*", hub.Conflate, hub.Retention{}
	return append(all, game, everything)
}
