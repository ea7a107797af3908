// The feed of /scores/: a match day that goes on and on, a minute of play each second, as events.

package feeds

import (
	"math/rand/v2"
	"time"
)

// match is one as it stands.
type match struct {
	Match  int    `json:"match"`
	Home   string `json:"home"`
	Away   string `json:"away"`
	Goals  [2]int `json:"goals"`
	Minute int    `json:"minute"`
	State  string `json:"state"` // "to come", "first half", "break", "second half" or "over"
}

// happened is one event: what, in which match, and how that stands after it.
type happened struct {
	match
	Player string `json:"player,omitempty"`
	Side   int    `json:"side"` // 0 home, 1 away, where it is one's
}

var teams = []string{"Alderbrook", "Bexmoor", "Caldwick", "Dunhaven", "Eastmere", "Farleigh", "Greywater", "Holloway", "Inverlake", "Juniper Hill", "Kingsport", "Larkfield"}

var players = []string{"Abara", "Brandt", "Castell", "Dahl", "Ekström", "Fofana", "Goto", "Hidalgo", "Ivanova", "Jansen", "Kovač", "Lindqvist", "Moreau", "Nakata", "Okoye", "Péter"}

const (
	half      = 45              // minutes
	pause     = 3               // minutes between the halves
	between   = 10              // minutes from the end of a match to the beginning of the next
	staggered = 3               // minutes between the beginnings of two matches
	absence   = 3 * time.Second // nobody listened for so long: what is kept of before may be gone
	retold    = 30              // minutes after which all is told again
)

// matchDay is the matches of a day, and how long it has lasted.
type matchDay struct {
	matches []match
	minute  int
	told    int // the minute in which all was told
	last    time.Time
}

// scoresFeed tells what happens. It begins with, and now and then repeats, the event "table": how every match stands, so that nobody has to
// know more than what came since.
func scoresFeed() Feed {
	d := newMatchDay()
	return Feed{Channel: "demo:scores", Interval: time.Second, Next: func(now time.Time) []Item {
		tell := now.Sub(d.last) > absence
		d.last = now
		items := d.play()
		if tell || d.minute-d.told >= retold {
			d.told = d.minute
			items = append(items, Item{Event: "table", Data: append([]match(nil), d.matches...)})
		}
		return items
	}}
}

func newMatchDay() *matchDay {
	d := new(matchDay)
	order := rand.Perm(len(teams))
	for i := range len(teams) / 2 {
		d.matches = append(d.matches, match{Match: i + 1, Home: teams[order[2*i]], Away: teams[order[2*i+1]], State: "to come"})
	}
	return d
}

// play lets a minute pass.
func (d *matchDay) play() (items []Item) {
	d.minute++
	over := true
	for i := range d.matches {
		m := &d.matches[i]
		if event := m.pass(d.minute - i*staggered); event != "" {
			items = append(items, m.tell(event))
		}
		over = over && m.State == "over"
	}
	if over && d.minute > 2*half+pause+len(d.matches)*staggered+between {
		last := d.last
		*d = *newMatchDay()
		d.last = last
		items = append(items, Item{Event: "table", Data: append([]match(nil), d.matches...)})
	}
	return items
}

// pass brings a match to a minute, and returns what happened in it, "" for nothing.
func (m *match) pass(minute int) string {
	if minute < 1 || m.State == "over" {
		return ""
	}
	m.Minute = minute
	if minute >= half {
		m.Minute = min(max(half, minute-pause+1), 2*half)
	}
	switch {
	case minute == 1:
		m.State = "first half"
		return "begin"
	case minute == half:
		m.State = "break"
		return "break"
	case minute == half+pause:
		m.State = "second half"
		return "begin"
	case minute >= 2*half+pause:
		m.State = "over"
		return "end"
	case m.State == "break":
		return ""
	}
	switch chance := rand.Float64(); {
	case chance < 0.035:
		return "goal"
	case chance < 0.06:
		return "card"
	}
	return ""
}

// tell makes the event of what happened, and counts it.
func (m *match) tell(event string) Item {
	told := happened{Side: rand.IntN(2)}
	if event == "goal" {
		m.Goals[told.Side]++
	}
	if event == "goal" || event == "card" {
		told.Player = players[rand.IntN(len(players))]
	}
	told.match = *m
	return Item{Event: event, Data: told}
}
