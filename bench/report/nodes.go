package report

// This file: the report on many nodes.

import (
	"fmt"
	"io"
	"time"

	"github.com/ringdown/ringdown/bench/rooms"
)

// Nodes writes what is in docs/performance-cluster.md of a run of many nodes.
func Nodes(w io.Writer, r *rooms.NodesRun, machine string) {
	fmt.Fprintf(w, "%s, %s\n\n%s. %s connections at %d nodes, in %.1f s. Elsewhere %s processors were busy while publications were measured.\n\n",
		time.Now().UTC().Format(time.DateOnly), machine, r.Version, whole(float64(r.Connections)), len(r.Nodes), r.Joined.Seconds(), hundredths(r.Elsewhere))
	writeReach(w, r)
	writeShares(w, r)
	var nodes int
	for i := range r.Nodes {
		nodes += r.Nodes[i].Resident()
	}
	fmt.Fprintf(w, "All nodes together hold %s MB. The machine's free memory has shrunk by %s MB: nodes, broker, clients and both ends of every connection in the kernel. The clients used %s ms for each publication.\n",
		whole(megabytes(nodes)), whole(megabytes(r.Machine)), whole(milliseconds(r.Clients)))
}

func writeReach(w io.Writer, r *rooms.NodesRun) {
	var rows [][]string
	for _, column := range []struct {
		name string
		of   func(rooms.Reach) time.Duration
	}{
		{"the first", func(one rooms.Reach) time.Duration { return one.First }},
		{"half of them", func(one rooms.Reach) time.Duration { return one.Median }},
		{"99 %", func(one rooms.Reach) time.Duration { return one.P99 }},
		{"the last", func(one rooms.Reach) time.Duration { return one.Last }},
	} {
		var values []float64
		for _, one := range r.Reaches {
			values = append(values, milliseconds(column.of(one)))
		}
		low, high := bounds(values)
		rows = append(rows, []string{column.name, tenths(median(values)), tenths(low) + "-" + tenths(high)})
	}
	writeTable(w, []string{fmt.Sprintf("a publication has reached (of %d)", len(r.Reaches)), "after ms", "min-max"}, 1, rows)
}

func writeShares(w io.Writer, r *rooms.NodesRun) {
	row := func(name string, s *rooms.Share) []string {
		var each []float64
		for _, d := range s.Publishing {
			each = append(each, milliseconds(d))
		}
		perDelivery := median(each) * float64(time.Millisecond) / float64(max(1, s.Connections))
		return []string{
			name, whole(float64(s.Connections)), whole(megabytes(s.Resident())), whole(s.Each()), whole(s.Anonymous()),
			whole(float64(s.Joining.Microseconds()) / float64(max(1, s.Connections))), tenths(100 * s.Idle), tenths(median(each)), whole(perDelivery),
		}
	}
	var rows [][]string
	for i := range r.Nodes {
		rows = append(rows, row(fmt.Sprintf("node %d", i+1), &r.Nodes[i]))
	}
	rows = append(rows, row("broker", &r.Broker))
	writeTable(w, []string{"", "connections", "MB", "bytes/connection", "anonymous", "CPU µs/join", "idle: CPU %", "CPU ms/publication", "ns/delivery"}, 1, rows)
}

func milliseconds(d time.Duration) float64 { return 1000 * d.Seconds() }

func megabytes(bytes int) float64 { return float64(bytes) / 1e6 }

func tenths(v float64) string { return fmt.Sprintf("%.1f", v) }
