// The feed of /sensors/: devices that measure something in a house, and now and then fall silent.

package feeds

import (
	"math"
	"math/rand/v2"
	"time"
)

// measured is what a device says. Low and High are the ends of its gauge.
type measured struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// device is one that is made up. Its value wanders about what is usual.
type device struct {
	key                   string
	measured              measured
	usual, wanders        float64
	every                 int // seconds between two values
	silentFrom, silentFor int // seconds, within each silence
}

// silence is after how many seconds a device falls silent again.
const silence = 60

var devices = []device{
	{"kitchen", measured{"Kitchen", 21, "°C", 10, 35}, 21, 0.15, 1, 0, 0},
	{"greenhouse", measured{"Greenhouse", 62, "% rh", 20, 100}, 62, 0.8, 1, 0, 0},
	{"roof", measured{"Solar roof", 3.2, "kW", 0, 6}, 3.2, 0.12, 1, 0, 0},
	{"cellar", measured{"Cellar", 540, "ppm CO₂", 350, 2000}, 620, 12, 2, 0, 0},
	{"wind", measured{"Wind", 4.5, "m/s", 0, 20}, 5, 0.7, 1, 0, 0},
	{"parcel", measured{"Parcel on its way", 48, "% battery", 0, 100}, 48, 0.3, 2, 12, 25},
}

// sensorsFeed has each device say its value at its own pace.
func sensorsFeed() Feed {
	all := append([]device(nil), devices...)
	second := 0
	return Feed{Channel: "demo:sensors", Interval: time.Second, Next: func(time.Time) []Item {
		second++
		var items []Item
		for i := range all {
			d := &all[i]
			if at := second%silence - d.silentFrom; at >= 0 && at < d.silentFor || second%d.every != 0 {
				continue
			}
			m := &d.measured
			next := m.Value + 0.05*(d.usual-m.Value) + d.wanders*rand.NormFloat64()
			m.Value = math.Round(10*min(m.High, max(m.Low, next))) / 10
			items = append(items, Item{Key: d.key, Data: *m})
		}
		return items
	}}
}
