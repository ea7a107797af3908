// Grants: what a token lets its bearer do, and in which channels.

package auth

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/internal/pattern"
	"github.com/ringdown/ringdown/internal/spelling"
)

// Rights is a set of things that one may do in a channel.
type Rights uint8

// The rights.
const (
	Subscribe Rights = 1 << iota
	Publish
	Presence // who else is there
	History  // what was published before
	Call     // ask the backend
)

// rightNames is in the order of the bits.
var rightNames = []string{"subscribe", "publish", "presence", "history", "call"}

// String lists the names with commas between, as "subscribe,publish".
func (r Rights) String() string { return strings.Join(r.names(), ",") }

func (r Rights) names() []string {
	names := []string{}
	for bit, name := range rightNames {
		if r&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ParseRight returns the right of that name. The error of an unknown one names the nearest.
func ParseRight(name string) (Rights, error) {
	bit := slices.Index(rightNames, name)
	if bit < 0 {
		return 0, refuse(ErrGrants, "there is no right %.40q; did you mean %q? The rights are %s",
			name, nearest(name, rightNames), strings.Join(rightNames, ", "))
	}
	return 1 << bit, nil
}

// Grant gives rights in the channels that match a pattern.
type Grant struct {
	// Pattern is matched against the whole name: "*" is any run of characters, "/" included, "?" is one, "[a-z]" one of a class,
	// "[^a-z]" one that is not of it, and "\" takes their meaning away. This is how the rules of the hub read theirs.
	Pattern string
	Rights  Rights
}

const maxPattern = 255 // bytes; no channel's name is longer

func (g Grant) check() error {
	if g.Pattern == "" || len(g.Pattern) > maxPattern {
		return refuse(ErrGrants, "a pattern of channels has %d bytes; give it 1 to %d, as chat:* or news", len(g.Pattern), maxPattern)
	}
	if pattern.Check(g.Pattern) != nil {
		return refuse(ErrGrants, `the pattern of channels %.60q is broken; close its brackets, or write \[ for a bracket`, g.Pattern)
	}
	return nil
}

func (g Grant) covers(channel string) bool { return pattern.Match(g.Pattern, channel) }

// parseGrants reads the claim "channels": {"chat:*": ["subscribe", "publish"], "news": ["subscribe"]}. The grants are in the
// order of their patterns.
func parseGrants(raw json.RawMessage) ([]Grant, error) {
	var claim map[string][]string
	if json.Unmarshal(raw, &claim) != nil || claim == nil {
		return nil, refuse(ErrGrants, `the token's "channels" is not an object of lists; write {"chat:*": ["subscribe", "publish"]}`)
	}
	grants := make([]Grant, 0, len(claim))
	for _, channels := range slices.Sorted(maps.Keys(claim)) {
		g := Grant{Pattern: channels}
		if err := g.check(); err != nil {
			return nil, err
		}
		for _, name := range claim[channels] {
			right, err := ParseRight(name)
			if err != nil {
				return nil, refuse(ErrGrants, `in the token's "channels", at %.60q: %v`, channels, err)
			}
			g.Rights |= right
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// ParseGrant reads a grant as one line, "chat:*=subscribe,publish". What stands before the last "=" is the pattern.
func ParseGrant(line string) (Grant, error) {
	at := strings.LastIndexByte(line, '=')
	if at < 0 {
		return Grant{}, errors.New(`a grant is a pattern and its rights, as "chat:*=subscribe,publish"`)
	}
	g := Grant{Pattern: line[:at]}
	if err := g.check(); err != nil {
		return Grant{}, err
	}
	for name := range strings.SplitSeq(line[at+1:], ",") {
		right, err := ParseRight(strings.TrimSpace(name))
		if err != nil {
			return Grant{}, err
		}
		g.Rights |= right
	}
	return g, nil
}

// nearest is the name that takes the fewest edits.
func nearest(wrong string, names []string) string {
	wrong = wrong[:min(len(wrong), 40)]
	return slices.MinFunc(names, func(a, b string) int { return spelling.Distance(wrong, a) - spelling.Distance(wrong, b) })
}
