// Progress of ringdown bench: one line that changes for a person, now and then a line for a log.

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/ringdown/ringdown/loadtest"
)

const benchLogInterval = 5 * time.Second

// benchProgress is told of progress from one goroutine at a time.
type benchProgress struct {
	out      io.Writer
	terminal bool
	phase    string
	last     time.Time // when a log had its last line
}

func newBenchProgress(out io.Writer) *benchProgress {
	return &benchProgress{out: out, terminal: isTerminal(out), last: time.Now()}
}

func (b *benchProgress) show(p loadtest.Progress) {
	if b.terminal {
		fmt.Fprintf(b.out, "\r\x1b[K%s", benchLine(p))
		return
	}
	if p.Phase == b.phase && time.Since(b.last) < benchLogInterval {
		return
	}
	b.phase, b.last = p.Phase, time.Now()
	fmt.Fprintln(b.out, benchLine(p))
}

// end leaves the terminal as it was.
func (b *benchProgress) end() {
	if b.terminal {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

func benchLine(p loadtest.Progress) string {
	line := fmt.Sprintf("%s: %s of %s connections", p.Phase, grouped(p.Connections), grouped(p.Wanted))
	if p.Phase == "running" {
		line += fmt.Sprintf(", %.0f of %.0f s", min(p.Elapsed, p.Duration).Seconds(), p.Duration.Seconds())
	}
	if p.Messages > 0 {
		line += fmt.Sprintf(", %s messages", grouped(p.Messages))
	}
	if p.Failures > 0 {
		line += fmt.Sprintf(", %s errors", grouped(p.Failures))
	}
	return line
}
