package doctor

import "testing"

func TestTheLimitOnOpenFilesIsRead(t *testing.T) {
	for _, c := range []struct {
		limits string
		want   int
		bad    bool
	}{
		{"Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n", 1024, false},
		{"Max open files            unlimited            unlimited            files\n", 0, false},
		{"Max processes 1 2 processes\n", 0, true},
		{"Max open files\n", 0, true},
		{"Max open files many\n", 0, true},
	} {
		if got, err := softLimit(c.limits); got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %d, %v", c.limits, got, err)
		}
	}
}
