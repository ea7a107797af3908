package report

// This file: the report on a node that is attacked.

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ringdown/ringdown/bench/rooms"
	"github.com/ringdown/ringdown/test/flood/hostile"
)

// Siege writes the table of docs/security.md: medians over the windows that nobody else on the machine disturbed; over all, where each was.
func Siege(w io.Writer, windows []rooms.SiegeWindow, o rooms.SiegeOptions, machine string) {
	fmt.Fprintf(w, "%s, %s\n\n", time.Now().UTC().Format(time.DateOnly), machine)
	var rows [][]string
	for attack := rooms.NoAttack; attack < hostile.Kinds; attack++ {
		first := slices.IndexFunc(windows, func(one rooms.SiegeWindow) bool { return one.Attack == attack })
		if first < 0 {
			continue
		}
		var counted []rooms.SiegeWindow
		taken := 0
		for _, one := range windows {
			if one.Attack != attack {
				continue
			}
			if taken++; one.Quiet() {
				counted = append(counted, one)
			}
		}
		quiet := len(counted)
		if quiet == 0 {
			counted = slices.DeleteFunc(slices.Clone(windows), func(one rooms.SiegeWindow) bool { return one.Attack != attack })
		}
		column := func(value func(rooms.SiegeWindow) float64) float64 {
			var values []float64
			for _, one := range counted {
				values = append(values, value(one))
			}
			return median(values)
		}
		ms := func(value func(rooms.SiegeWindow) time.Duration) string {
			return fmt.Sprintf("%.1f ms", 1000*column(func(one rooms.SiegeWindow) float64 { return value(one).Seconds() }))
		}
		rows = append(rows, []string{
			SiegeName(windows[first], o),
			ms(func(one rooms.SiegeWindow) time.Duration { return one.P50 }),
			ms(func(one rooms.SiegeWindow) time.Duration { return one.P99 }),
			ms(func(one rooms.SiegeWindow) time.Duration { return one.Max }),
			whole(column(func(one rooms.SiegeWindow) float64 { return float64(one.CPU) })),
			hundredths(column(func(one rooms.SiegeWindow) float64 { return one.Busy })),
			hundredths(column(func(one rooms.SiegeWindow) float64 { return one.Attackers })),
			hundredths(column(func(one rooms.SiegeWindow) float64 { return one.Elsewhere })),
			fmt.Sprintf("%d of %d", quiet, taken),
		})
	}
	writeTable(w, []string{"there are", "p50", "p99", "max", "CPU ns/delivery", "node busy", "attackers busy", "elsewhere", "quiet windows"}, 1, rows)
}

// SiegeName says who was there in a window.
func SiegeName(w rooms.SiegeWindow, o rooms.SiegeOptions) string {
	switch w.Attack {
	case rooms.NoAttack:
		return fmt.Sprintf("%s clients that behave", whole(float64(o.Clients)))
	case rooms.AllKinds:
		return fmt.Sprintf("and %s hostile ones", whole(float64(o.Hostile)))
	default:
		return fmt.Sprintf("and %s that %s", whole(float64(o.Hostile/hostile.Kinds)), hostile.Names[w.Attack])
	}
}
