package report

// This file: the report on whole servers.

import (
	"fmt"
	"io"
	"slices"

	"github.com/ringdown/ringdown/bench/rooms"
)

// Rooms is everything there is to report on whole servers.
type Rooms struct {
	Points    []rooms.Point
	Peers     []*rooms.Peer
	Versions  map[string]string // by peer
	Reference string            // the peer that all others are compared with
	Samples   []rooms.Sample
	Machine   string
}

// Write writes all tables.
func (r *Rooms) Write(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.Machine)
	r.writePeers(w)
	r.writeMissing(w)
	r.writeSummary(w)
	for _, p := range r.Points {
		r.writePoint(w, p)
	}
}

func (r *Rooms) writePeers(w io.Writer) {
	var rows [][]string
	for _, p := range r.Peers {
		if r.measured(p.Name) {
			rows = append(rows, []string{p.Name, r.Versions[p.Name], p.About})
		}
	}
	writeTable(w, []string{"server", "version", "configured and spoken to"}, 3, rows)
}

// writeMissing names the peers that are absent from the tables because they could not be had.
func (r *Rooms) writeMissing(w io.Writer) {
	for _, p := range r.Peers {
		i := slices.IndexFunc(r.Samples, func(s rooms.Sample) bool { return s.Peer == p.Name && s.Missing })
		if i >= 0 {
			fmt.Fprintf(w, "**%s was not measured: %s**\n\n", p.Name, r.Samples[i].Error)
		}
	}
}

func (r *Rooms) writeSummary(w io.Writer) {
	head := []string{"× " + r.Reference}
	for _, p := range r.Peers {
		if p.Name != r.Reference && r.measured(p.Name) {
			head = append(head, p.Name)
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
	fmt.Fprintf(w, "### Servers: CPU each (idle: bytes per subscriber) relative to %s; above 1 needs more\n\n", r.Reference)
	writeTable(w, head, 1, rows)
}

func (r *Rooms) writePoint(w io.Writer, p rooms.Point) {
	columns := roomColumns(p.Kind)
	head := []string{"server", columns[0].head, "× " + r.Reference, "min-max"}
	for _, c := range columns[1:] {
		head = append(head, c.head)
	}
	var rows [][]string
	var failures []string
	for _, peer := range r.Peers {
		good, bad := r.samples(p.Name, peer.Name)
		if len(bad) > 0 {
			failures = append(failures, fmt.Sprintf("%s failed %d of %d times: %s", peer.Name, len(bad), len(good)+len(bad), bad[0].Error))
		}
		if len(good) > 0 {
			rows = append(rows, r.row(p, peer.Name, good, columns))
		}
	}
	fmt.Fprintf(w, "### %s (`%s`)\n\n", p.Title(), p.Name)
	writeTable(w, head, 1, rows)
	for _, failure := range failures {
		fmt.Fprintf(w, "**%s**\n\n", failure)
	}
}

func (r *Rooms) row(p rooms.Point, peer string, good []rooms.Sample, columns []roomColumn) []string {
	low, high := bounds(roomValues(good, columns[0].of))
	row := []string{
		peer, columns[0].text(median(roomValues(good, columns[0].of))), ratioText(r.ratio(p, peer)),
		columns[0].text(low) + "-" + columns[0].text(high),
	}
	for _, c := range columns[1:] {
		row = append(row, c.text(median(roomValues(good, c.of))))
	}
	return row
}

// A roomColumn is a figure of a sample; the first of a table is the one that is compared.
type roomColumn struct {
	head string
	of   func(rooms.Sample) float64
	text func(float64) string
}

func roomColumns(kind rooms.Kind) []roomColumn {
	if kind == rooms.Idle {
		return []roomColumn{
			{"bytes/subscriber", func(s rooms.Sample) float64 { return s.Memory }, whole},
			{"anonymous", func(s rooms.Sample) float64 { return s.Anonymous }, whole},
			{"settled s", func(s rooms.Sample) float64 { return s.Settled }, whole},
		}
	}
	if kind == rooms.Cluster {
		return clusterColumns()
	}
	unit := map[rooms.Kind]string{rooms.Fanout: "delivery", rooms.Publish: "request", rooms.Join: "join", rooms.Ack: "round trip"}[kind]
	columns := []roomColumn{
		{"CPU ns/" + unit, func(s rooms.Sample) float64 { return s.CPU }, whole},
		{"kernel %", func(s rooms.Sample) float64 { return 100 * s.Kernel }, whole},
		{unit + "/s", func(s rooms.Sample) float64 { return s.Rate }, whole},
		{"p50 µs", func(s rooms.Sample) float64 { return s.P50 }, whole},
		{"p99 µs", func(s rooms.Sample) float64 { return s.P99 }, whole},
		{"busy", func(s rooms.Sample) float64 { return s.Busy }, hundredths},
	}
	if kind == rooms.Join {
		columns = append(columns, roomColumn{"seconds", func(s rooms.Sample) float64 { return s.Seconds }, hundredths})
	}
	return columns
}

// clusterColumns are of points with a broker, whose processor time stands beside that of the nodes. A publication's is what all its
// deliveries cost.
func clusterColumns() []roomColumn {
	return []roomColumn{
		{"nodes' CPU ns/delivery", func(s rooms.Sample) float64 { return s.CPU }, whole},
		{"broker's", func(s rooms.Sample) float64 { return s.Broker }, whole},
		{"nodes' kernel %", func(s rooms.Sample) float64 { return 100 * s.Kernel }, whole},
		{"publication/s", func(s rooms.Sample) float64 { return s.Rate / float64(s.Clients) }, whole},
		{"broker's CPU µs/publication", func(s rooms.Sample) float64 { return s.Broker * float64(s.Clients) / 1000 }, whole},
		{"p50 µs", func(s rooms.Sample) float64 { return s.P50 }, whole},
		{"p99 µs", func(s rooms.Sample) float64 { return s.P99 }, whole},
		{"nodes busy", func(s rooms.Sample) float64 { return s.Busy }, hundredths},
	}
}

// ratio is the median over the rounds of what the peer needed, divided by what the reference needed in that round; zero when
// there is no round with both.
func (r *Rooms) ratio(p rooms.Point, peer string) float64 {
	of := roomColumns(p.Kind)[0].of
	mine, _ := r.samples(p.Name, peer)
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

// samples leaves out what could not be measured because there was no server.
func (r *Rooms) samples(point, peer string) (good, bad []rooms.Sample) {
	for _, s := range r.Samples {
		switch {
		case s.Point != point || s.Peer != peer || s.Missing:
		case s.Error != "":
			bad = append(bad, s)
		default:
			good = append(good, s)
		}
	}
	return good, bad
}

func (r *Rooms) measured(peer string) bool {
	return slices.ContainsFunc(r.Samples, func(s rooms.Sample) bool { return s.Peer == peer && !s.Missing })
}

func roomValues(samples []rooms.Sample, of func(rooms.Sample) float64) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = of(s)
	}
	return v
}
