// The feed of /game/: an arena in which everybody steers a disc and collects dots. This is the authority: players say where they steer, and
// thirty times a second everybody is told where everything is.

package feeds

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// The messages, big endian. A player says: his number (4 bytes), and where he steers (2 signed bytes, 127 is full speed).
// The arena says: the time in ms (4), how many discs (1) and how many dots (1) there are; of each disc its number (4), place (2 and 2, in 65535ths of width and
// height) and points (2); of each dot its place (2 and 2).
const (
	inputBytes = 6
	stateHead  = 6
	discBytes  = 10
	dotBytes   = 4
)

const (
	width, height = 1.6, 1.0
	speed         = 0.45 // a second
	dots          = 40
	most          = 200             // discs
	absent        = 3 * time.Second // without a word, and a player has gone
	longestStep   = 100 * time.Millisecond
)

// robots play so that nobody is alone. Their numbers are below those that players draw.
var robots = []uint32{1, 2, 3}

type place struct{ x, y float64 }

func (p place) to(q place) float64 { return math.Hypot(q.x-p.x, q.y-p.y) }

func anywhere() place { return place{width * rand.Float64(), height * rand.Float64()} }

// disc is a player, or a robot.
type disc struct {
	place
	number uint32
	steer  place // at most 1 long
	points int
	heard  time.Time
}

// radius is that of a disc: its area grows with its points.
func (d *disc) radius() float64 { return 0.018 * math.Sqrt(1+float64(d.points)/6) }

type arena struct {
	discs       []*disc // in the order in which they came
	dots        [dots]place
	begun, last time.Time
}

func gameFeed() Feed {
	a := new(arena)
	for i := range a.dots {
		a.dots[i] = anywhere()
	}
	for _, number := range robots {
		a.discs = append(a.discs, &disc{number: number, place: anywhere()})
	}
	return Feed{
		Channel: "demo:game", Interval: time.Second / 30, Next: func(now time.Time) []Item {
			a.step(now)
			return []Item{{Bytes: a.state()}}
		},
		Inputs: "demo:game:inputs", Heard: a.heard,
	}
}

// heard takes what a player says. Whoever is new begins somewhere.
func (a *arena) heard(p *hub.Publication, now time.Time) {
	if p.Kind != hub.Binary || len(p.Payload) != inputBytes {
		return // no player's
	}
	number := binary.BigEndian.Uint32(p.Payload)
	if number <= robots[len(robots)-1] {
		return
	}
	d := a.disc(number)
	if d == nil && len(a.discs) < most {
		d = &disc{number: number, place: anywhere()}
		a.discs = append(a.discs, d)
	}
	if d == nil {
		return
	}
	d.heard = now
	d.steer = unit(place{float64(int8(p.Payload[4])) / 127, float64(int8(p.Payload[5])) / 127})
}

func (a *arena) disc(number uint32) *disc {
	for _, d := range a.discs {
		if d.number == number {
			return d
		}
	}
	return nil
}

// step moves everything to now.
func (a *arena) step(now time.Time) {
	if a.begun.IsZero() {
		a.begun, a.last = now, now
	}
	seconds := min(now.Sub(a.last), longestStep).Seconds()
	a.last = now
	still := a.discs[:0]
	for _, d := range a.discs {
		if d.number > robots[len(robots)-1] && now.Sub(d.heard) > absent {
			continue
		}
		still = append(still, d)
	}
	a.discs = still
	for _, d := range a.discs {
		if d.heard.IsZero() {
			a.think(d)
		}
		d.x = min(width, max(0, d.x+d.steer.x*speed*seconds))
		d.y = min(height, max(0, d.y+d.steer.y*speed*seconds))
		a.collect(d)
	}
	a.collide()
}

// think steers a robot to the nearest dot, at half speed.
func (a *arena) think(d *disc) {
	nearest := a.dots[0]
	for _, dot := range a.dots {
		if d.to(dot) < d.to(nearest) {
			nearest = dot
		}
	}
	away := max(d.to(nearest), 1e-6)
	d.steer = place{(nearest.x - d.x) / away / 2, (nearest.y - d.y) / away / 2}
}

func (a *arena) collect(d *disc) {
	for i := range a.dots {
		if d.to(a.dots[i]) < d.radius() {
			a.dots[i] = anywhere()
			d.points = min(d.points+1, math.MaxUint16)
		}
	}
}

// collide lets the larger of two discs take half the points of one that is under it, which begins again elsewhere.
func (a *arena) collide() {
	for _, d := range a.discs {
		for _, other := range a.discs {
			if d.to(other.place) < d.radius() && d.radius() > 1.2*other.radius() {
				d.points = min(d.points+other.points/2, math.MaxUint16)
				other.points, other.place = 0, anywhere()
			}
		}
	}
}

// state is the message that says where everything is.
func (a *arena) state() []byte {
	b := make([]byte, 0, stateHead+len(a.discs)*discBytes+dots*dotBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(a.last.Sub(a.begun).Milliseconds()))
	b = append(b, byte(len(a.discs)), dots)
	for _, d := range a.discs {
		b = appendPlace(binary.BigEndian.AppendUint32(b, d.number), d.place)
		b = binary.BigEndian.AppendUint16(b, uint16(d.points))
	}
	for _, dot := range a.dots {
		b = appendPlace(b, dot)
	}
	return b
}

func appendPlace(b []byte, p place) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(math.Round(p.x/width*math.MaxUint16)))
	return binary.BigEndian.AppendUint16(b, uint16(math.Round(p.y/height*math.MaxUint16)))
}

// unit shortens what is longer than 1.
func unit(p place) place {
	length := max(1, math.Hypot(p.x, p.y))
	return place{p.x / length, p.y / length}
}
