// What holds in the channels of a node: who may do what there, and what is kept.

package server

import (
	"net/http"
	"strings"
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

// identify tells who sends a request. In dev mode clients may name themselves, by ?user=; otherwise all are anonymous.
func (c *Config) identify(r *http.Request) (hub.Identity, error) {
	if !c.Dev {
		return hub.Identity{}, nil
	}
	user := r.URL.Query().Get("user")
	if err := hub.CheckChannel(user); err != nil && user != "" { // what suits a channel suits a user
		return hub.Identity{}, hub.Errorf(hub.BadRequest, "the user is %.40q; name it with 1 to %d bytes of printable UTF-8", user, hub.MaxChannelName)
	}
	return hub.Identity{User: strings.Clone(user)}, nil // the rest of the request need not be kept
}
