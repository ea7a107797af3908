// What holds in the channels of a node: who may do what there, and what is kept.

package server

import (
	"time"

	"github.com/ringdown/ringdown/hub"
)

// rules are what a node lets its clients do: everybody may listen; in dev mode everybody may speak, too.
func (c *Config) rules() []hub.Rule {
	if !c.Dev {
		return []hub.Rule{{
			Pattern:    "*",
			Publish:    hub.Server,
			History:    hub.Retention{Count: 100, Age: 5 * time.Minute},
			MaxPayload: int(c.MaxMessage),
		}}
	}
	everything := hub.Rule{
		Pattern:    "*",
		Publish:    hub.Everyone,
		History:    hub.Retention{Count: 1000, Age: 10 * time.Minute},
		Presence:   true,
		MaxPayload: int(c.MaxMessage),
	}
	ticker := everything // to try what conflation does
	ticker.Pattern, ticker.Slow, ticker.Last = "ticker:*", hub.Conflate, true
	return []hub.Rule{ticker, everything}
}
