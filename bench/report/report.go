// Package report turns the samples of a run into Markdown.
//
// Every figure is the median over the rounds. Every ratio is the median of the rounds' own ratios: within a round the
// servers ran one after the other, so that a neighbour who slows the machine for a minute slows both sides of a ratio.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/bench/measure"
	"github.com/ringdown/ringdown/bench/servers"
)

// A Run is everything there is to report.
type Run struct {
	Points    []measure.Point
	Servers   []*servers.Server
	Versions  map[string]string // by module
	Reference string            // the server that all others are compared with
	Samples   []measure.Sample
	Machine   string
}

// Write writes all tables.
func (r *Run) Write(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.Machine)
	r.writeServers(w)
	r.writeSummary(w)
	for _, p := range r.Points {
		r.writePoint(w, p)
	}
}

func (r *Run) writeServers(w io.Writer) {
	var rows [][]string
	for _, s := range r.Servers {
		if r.measured(s.Name) {
			rows = append(rows, []string{s.Name, strings.TrimSpace(s.Module + " " + r.Versions[s.Module]), s.About})
		}
	}
	writeTable(w, []string{"server", "library", "written as"}, 3, rows)
}

// writeSummary gives the ratio of every server at every point.
func (r *Run) writeSummary(w io.Writer) {
	head := []string{"× " + r.Reference}
	for _, s := range r.Servers {
		if s.Name != r.Reference && r.measured(s.Name) {
			head = append(head, s.Name)
		}
	}
	var rows [][]string
	for _, p := range r.Points {
		row := []string{p.Name}
		for _, name := range head[1:] {
			row = append(row, ratioText(r.ratio(p, name)))
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(w, "### Summary: CPU per message (idle: bytes per connection) relative to %s; above 1 needs more\n\n", r.Reference)
	writeTable(w, head, 1, rows)
}

func (r *Run) writePoint(w io.Writer, p measure.Point) {
	columns := messageColumns("msg")
	switch p.Kind {
	case servers.Idle, servers.IdleTLS:
		columns = idleColumns
	case servers.Fanout:
		columns = messageColumns("delivery")
	case servers.Deflate:
		columns = append(columns, answerColumn)
	}
	head := []string{"server", columns[0].head, "× " + r.Reference, "min-max"}
	for _, c := range columns[1:] {
		head = append(head, c.head)
	}
	var rows [][]string
	var failures []string
	for _, s := range r.Servers {
		good, bad := r.samples(p.Name, s.Name)
		if len(bad) > 0 {
			failures = append(failures, fmt.Sprintf("%s failed %d of %d times: %s", s.Name, len(bad), len(good)+len(bad), bad[0].Error))
		}
		if len(good) == 0 {
			continue
		}
		low, high := bounds(values(good, columns[0].of))
		row := []string{
			s.Name, columns[0].text(median(values(good, columns[0].of))), ratioText(r.ratio(p, s.Name)),
			columns[0].text(low) + "-" + columns[0].text(high),
		}
		for _, c := range columns[1:] {
			row = append(row, c.text(median(values(good, c.of))))
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(w, "### %s (`%s`)\n\n", p.Title(), p.Name)
	writeTable(w, head, 1, rows)
	for _, failure := range failures {
		fmt.Fprintf(w, "**%s**\n\n", failure)
	}
}

// A column is a figure of a sample; the first of a table is the one that is compared.
type column struct {
	head string
	of   func(measure.Sample) float64
	text func(float64) string
}

// messageColumns are those of points with messages; unit is what a message is called there.
func messageColumns(unit string) []column {
	return []column{
		{"CPU ns/" + unit, func(s measure.Sample) float64 { return s.CPU }, whole},
		{"user", func(s measure.Sample) float64 { return s.User }, whole},
		{"system", func(s measure.Sample) float64 { return s.System }, whole},
		{"allocs/" + unit, func(s measure.Sample) float64 { return s.Allocations }, hundredths},
		{unit + "/s", func(s measure.Sample) float64 { return s.Rate }, whole},
		{"p50 µs", func(s measure.Sample) float64 { return s.P50 }, whole},
		{"p99 µs", func(s measure.Sample) float64 { return s.P99 }, whole},
		{"busy", func(s measure.Sample) float64 { return s.Busy }, hundredths},
	}
}

var answerColumn = column{"answer B", func(s measure.Sample) float64 { return s.AnswerBytes }, whole}

var idleColumns = []column{
	{"bytes/conn", func(s measure.Sample) float64 { return s.MemoryBytes }, whole},
	{"heap", func(s measure.Sample) float64 { return s.HeapBytes }, whole},
	{"stack", func(s measure.Sample) float64 { return s.StackBytes }, whole},
	{"objects", func(s measure.Sample) float64 { return s.Objects }, hundredths},
	{"goroutines", func(s measure.Sample) float64 { return s.Goroutines }, hundredths},
	{"RSS", func(s measure.Sample) float64 { return s.RSS }, whole},
}

// nothing is what a figure may be by chance: bytes or nanoseconds.
const nothing = 16

// compared is the figure that ratios of the point are made of.
func compared(p measure.Point) func(measure.Sample) float64 {
	if p.Idle() {
		return idleColumns[0].of
	}
	return func(s measure.Sample) float64 { return s.CPU }
}

// ratio is the median over the rounds of what the server needed, divided by what the reference needed in that round;
// zero when there is no round with both, or when the reference needs nothing to speak of: the floor keeps no memory.
func (r *Run) ratio(p measure.Point, server string) float64 {
	of := compared(p)
	mine, _ := r.samples(p.Name, server)
	theirs, _ := r.samples(p.Name, r.Reference)
	var ratios []float64
	for _, a := range mine {
		for _, b := range theirs {
			if a.Round == b.Round && of(b) > nothing {
				ratios = append(ratios, of(a)/of(b))
			}
		}
	}
	return median(ratios)
}

func (r *Run) samples(point, server string) (good, bad []measure.Sample) {
	for _, s := range r.Samples {
		switch {
		case s.Point != point || s.Server != server:
		case s.Error != "":
			bad = append(bad, s)
		default:
			good = append(good, s)
		}
	}
	return good, bad
}

func (r *Run) measured(server string) bool {
	return slices.ContainsFunc(r.Samples, func(s measure.Sample) bool { return s.Server == server })
}

func values(samples []measure.Sample, of func(measure.Sample) float64) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = of(s)
	}
	return v
}
