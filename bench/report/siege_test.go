package report

import (
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/bench/rooms"
)

func TestASiegeIsReportedByItsMedians(t *testing.T) {
	var windows []rooms.SiegeWindow
	for round, p99 := range []time.Duration{10, 900, 30} {
		windows = append(windows,
			rooms.SiegeWindow{Round: round, Attack: rooms.NoAttack, P99: p99 * time.Millisecond, CPU: 5000},
			rooms.SiegeWindow{Round: round, Attack: 3, P99: 2 * p99 * time.Millisecond, CPU: 6000, Attackers: 0.25},
			rooms.SiegeWindow{Round: round, Attack: 3, P99: time.Hour, Elsewhere: 1})
	}
	var out strings.Builder
	Siege(&out, windows, rooms.SiegeOptions{Clients: 9000, Hostile: 1000}, "a machine")
	for _, want := range []string{"a machine", "9,000 clients that behave", "30.0 ms", "5,000", "and 100 that send garbage", "60.0 ms", "6,000", "0.25", "3 of 6"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}
