// The table at the end of ringdown bench.

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/loadtest"
)

// printBench prints what a run found: a label, and what there is to say about it.
func printBench(out io.Writer, kind string, load loadtest.Options, r *loadtest.Result) {
	row := func(label, format string, args ...any) {
		fmt.Fprintf(out, "%-13s %s\n", label, fmt.Sprintf(format, args...))
	}
	heading := fmt.Sprintf("%s %s", kind, load.URL)
	if r.Interrupted {
		heading += " (interrupted)"
	}
	fmt.Fprintf(out, "%s\n", printable(heading))
	row("connections", "%s", benchConnections(r))
	if r.Messages > 0 && kind != "idle" {
		row("messages", "%s of %s B in %s: %s/s, %s/s", grouped(r.Messages), grouped(load.Size), seconds(r.Elapsed),
			grouped(int(r.Rate())), bytesText(int(r.Throughput())))
		row("latency", "%s", percentiles(&r.Latencies))
	}
	if kind == "idle" {
		row("held", "%s%s", seconds(r.Elapsed), map[bool]string{true: ", each echoed once before", false: ""}[r.Echoed])
	}
	if kind == "fanout" {
		row("publications", "%s", grouped(r.Sent))
	}
	if r.Server != nil {
		printServer(row, kind, r)
	}
	if len(r.Errors) == 0 {
		row("errors", "none")
	}
	for i, kind := range slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Errors[b], r.Errors[a]), strings.Compare(a, b))
	}) {
		row(map[bool]string{true: "errors"}[i == 0], "%s × %s", grouped(r.Errors[kind]), printable(kind))
	}
}

func benchConnections(r *loadtest.Result) string {
	line := fmt.Sprintf("%s opened in %s", grouped(r.Opened), seconds(r.Connecting))
	if r.Opened < r.Wanted {
		line = fmt.Sprintf("%s of %s opened in %s", grouped(r.Opened), grouped(r.Wanted), seconds(r.Connecting))
	}
	if r.Lost > 0 {
		line += fmt.Sprintf(", %s lost", grouped(r.Lost))
	}
	if r.Handshakes.Count() > 0 {
		line += fmt.Sprintf("; handshake p50 %s, p99 %s", short(r.Handshakes.Percentile(0.5)), short(r.Handshakes.Percentile(0.99)))
	}
	return line
}

func printServer(row func(label, format string, args ...any), kind string, r *loadtest.Result) {
	s := r.Server
	used := s.After.CPU - s.Open.CPU
	if kind != "idle" && r.Messages > 0 && r.Elapsed > 0 {
		row("server CPU", "%s a message, %.2f processors busy", short(r.CPUPerMessage()), used.Seconds()/r.Elapsed.Seconds())
	} else {
		row("server CPU", "%s to open the connections, %s while they were held", short(s.Open.CPU-s.Before.CPU), short(used))
	}
	row("server memory", "%s before, %s with all connections open, %s at the end (resident)",
		bytesText(int(s.Before.Resident)), bytesText(int(s.Open.Resident)), bytesText(int(s.After.Resident)))
	if n := r.MemoryPerConnection(); n > 0 {
		row("", "%s bytes a connection of the program's own, garbage included", grouped(n))
	}
}

func percentiles(h *loadtest.Histogram) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s",
		short(h.Percentile(0.5)), short(h.Percentile(0.9)), short(h.Percentile(0.99)), short(h.Max()))
}

// grouped writes the digits of a number in threes.
func grouped(n int) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// short writes a duration with three digits.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			return threeDigits(float64(d)/float64(unit.size)) + " " + unit.name
		}
	}
	return fmt.Sprintf("%d ns", d)
}

func bytesText(n int) string {
	for _, unit := range []struct {
		size int
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return threeDigits(float64(n)/float64(unit.size)) + " " + unit.name
		}
	}
	return fmt.Sprintf("%d B", n)
}

func threeDigits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
