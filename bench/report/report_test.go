package report

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/bench/measure"
	"github.com/ringdown/ringdown/bench/servers"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("the median of %v is %v, want %v", test.values, got, test.want)
		}
	}
}

func TestWholeGroupsDigits(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 999.4: "999", 999.6: "1,000", 1234567: "1,234,567", -12: "-12", -1234: "-1,234"} {
		if got := whole(value); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	var out strings.Builder
	writeTable(&out, []string{"server", "µs"}, 1, [][]string{{"a", "1,000"}, {"longer-name", "2"}})
	want := `
| server      |    µs |
| ----------- | ----: |
| a           | 1,000 |
| longer-name |     2 |

`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// A round that was slow for everybody must not move a ratio.
func TestRatioIsOfTheSameRound(t *testing.T) {
	p := measure.Point{Name: "p", Kind: servers.Echo}
	r := Run{Reference: "a", Samples: []measure.Sample{
		{Point: "p", Server: "a", Round: 0, CPU: 100}, {Point: "p", Server: "b", Round: 0, CPU: 200},
		{Point: "p", Server: "a", Round: 1, CPU: 300}, {Point: "p", Server: "b", Round: 1, CPU: 600},
		{Point: "p", Server: "a", Round: 2, Error: "refused"}, {Point: "p", Server: "b", Round: 2, CPU: 9000},
		{Point: "q", Server: "b", Round: 0, CPU: 1},
	}}
	if got := r.ratio(p, "b"); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
	if got := r.ratio(p, "c"); got != 0 {
		t.Errorf("the ratio of a server that was not measured is %v, want 0", got)
	}
}

func TestReportNamesFailures(t *testing.T) {
	var out strings.Builder
	r := Run{
		Reference: "a",
		Servers:   []*servers.Server{{Name: "a"}, {Name: "b"}},
		Points:    []measure.Point{{Name: "p", Kind: servers.Echo}},
		Samples:   []measure.Sample{{Point: "p", Server: "a", CPU: 1000}, {Point: "p", Server: "b", Error: "wrong bytes"}},
	}
	r.Write(&out)
	for _, want := range []string{"| a      |      1,000 |", "b failed 1 of 1 times: wrong bytes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

// The floor keeps nothing for an idle connection: what others keep is no multiple of that.
func TestNothingHasNoMultiple(t *testing.T) {
	p := measure.Point{Name: "p", Kind: servers.Idle}
	r := Run{Reference: "floor", Samples: []measure.Sample{
		{Point: "p", Server: "floor", MemoryBytes: 1}, {Point: "p", Server: "b", MemoryBytes: 5000},
	}}
	if got := r.ratio(p, "b"); got != 0 {
		t.Errorf("the ratio is %v, want none", got)
	}
}
