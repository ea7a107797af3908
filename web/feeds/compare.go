// The feed of /compare/: a tick ten times a second, which says when it was sent.

package feeds

import "time"

// Compare is the channel of /compare/.
const Compare = "demo:compare"

// tick is one publication: as long as a small message of a real program.
type tick struct {
	N    int     `json:"n"`
	Sent float64 `json:"sent"` // Unix time in ms, with microseconds
	Fill string  `json:"fill"`
}

func compareFeed() Feed {
	const fill = "so that a message has some 120 bytes, as those of real programs do"
	n := 0
	return Feed{Channel: Compare, Interval: 100 * time.Millisecond, Next: func(now time.Time) []Item {
		n++
		return []Item{{Data: tick{N: n, Sent: float64(now.UnixMicro()) / 1000, Fill: fill}}}
	}}
}
