package spelling

import "testing"

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"same", "same", 0}, {"publish", "publsh", 1}, {"publish", "pubilsh", 1}, {"publish", "oublish", 1},
		{"max-message", "max_message", 0}, {"kitten", "sitting", 3},
	} {
		if there, back := Distance(c.a, c.b), Distance(c.b, c.a); there != c.want || back != c.want {
			t.Errorf("%q, %q: %d and %d, want %d", c.a, c.b, there, back, c.want)
		}
	}
}
