// The feeds of /dashboard/: the prices of a stock market, and what a shop measures.

package feeds

import (
	"math"
	"math/rand/v2"
	"time"
)

// price is what a share was last traded at.
type price struct {
	Price  float64 `json:"price"`
	Change float64 `json:"change"` // since the opening, in percent
	Volume int     `json:"volume"` // shares traded today
}

// share is one that is traded.
type share struct {
	symbol        string
	opening, last float64
	volume        int
}

var symbols = []string{"ACRN", "ALDR", "AMBR", "ASPN", "BEAM", "BRCH", "CEDR", "COAL", "CORL", "DUNE", "ECHO", "ELMS", "FERN", "FLNT", "GALE", "GRVL",
	"HAZL", "IRIS", "JUNO", "KELP", "LARK", "MAPL", "MOSS", "NOVA", "OPAL", "PINE", "QRTZ", "REED", "SLAT", "WREN"}

const tradesAtOnce = 10

// pricesFeed trades ten shares of the thirty, drawn at random, twenty times a second.
func pricesFeed() Feed {
	shares := make([]share, len(symbols))
	for i, symbol := range symbols {
		opening := cents(10 + 290*rand.Float64())
		shares[i] = share{symbol, opening, opening, 0}
	}
	return Feed{Channel: "demo:prices", Interval: 50 * time.Millisecond, Next: func(time.Time) []Item {
		items := make([]Item, 0, tradesAtOnce)
		for _, i := range rand.Perm(len(shares))[:tradesAtOnce] {
			s := &shares[i]
			back := 0.002 * math.Log(s.opening/s.last) // so that nothing is worth nothing in the end
			s.last = max(1, cents(s.last*(1+back+0.002*rand.NormFloat64())))
			s.volume += 10 * (1 + rand.IntN(40))
			items = append(items, Item{Key: s.symbol, Data: price{s.last, cents(100 * (s.last/s.opening - 1)), s.volume}})
		}
		return items
	}}
}

// cents rounds to two digits.
func cents(x float64) float64 { return math.Round(100*x) / 100 }

// reading is one figure of the shop.
type reading struct {
	Value float64 `json:"value"`
}

var cities = []string{"Berlin", "Kyoto", "Lagos", "Lima", "Montréal", "Mumbai"}

// metricsFeed publishes the figures twice a second, each under its own key.
func metricsFeed() Feed {
	orders := make(map[string]float64) // of the last minute or so, by city
	for i, city := range cities {
		orders[city] = float64(12 + 7*i)
	}
	revenue, errors := 0.0, 0.3
	return Feed{Channel: "demo:metrics", Interval: 500 * time.Millisecond, Next: func(now time.Time) []Item {
		var items []Item
		figure := func(key string, value float64) { items = append(items, Item{Key: key, Data: reading{cents(value)}}) }
		day := math.Sin(float64(now.UnixMilli()) / 9000)
		sum := 0.0
		for i, city := range cities {
			wave := math.Sin(float64(now.UnixMilli())/7000 + float64(i))
			orders[city] = max(1, orders[city]+0.08*(30+12*wave-orders[city])+1.6*rand.NormFloat64())
			figure("orders "+city, math.Round(orders[city]))
			sum += orders[city]
		}
		revenue += sum / 120 * (30 + 10*rand.Float64())
		errors = max(0, errors+0.1*(0.3-errors)+0.05*rand.NormFloat64())
		figure("orders", math.Round(sum))
		figure("visitors", math.Round(1200+300*day+15*rand.NormFloat64()))
		figure("baskets", math.Round(260+60*day+5*rand.NormFloat64()))
		figure("revenue", revenue)
		figure("latency", 45+12*day+4*math.Abs(rand.NormFloat64()))
		figure("errors", errors)
		return items
	}}
}
