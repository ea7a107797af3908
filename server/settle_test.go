package server

import "testing"

func TestMemoryIsGivenBackWhenAStormIsOver(t *testing.T) {
	for _, c := range []struct {
		proves   string
		sessions []int
		want     int // how often
	}{
		{"few clients", []int{10, 500, 990, 20, 0}, 0},
		{"one storm", []int{0, 4000, 9000, 10_000, 10_010, 10_020}, 1},
		{"a storm that goes on", []int{0, 4000, 8000, 16_000, 32_000}, 0},
		{"all leave", []int{0, 10_000, 10_000, 0, 0, 0}, 2},
		{"clients come and go", []int{10_000, 10_000, 10_400, 9_700, 10_100, 10_000}, 1},
	} {
		t.Run(c.proves, func(t *testing.T) {
			var s settling
			got := 0
			for _, n := range c.sessions {
				if s.over(n) {
					got++
				}
			}
			if got != c.want {
				t.Errorf("%d times, want %d", got, c.want)
			}
		})
	}
}
