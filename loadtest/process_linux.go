// Linux tells all of it: memory under /proc, processor time by a clock that each process has.

package loadtest

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// readProcess reads what process pid has used.
func readProcess(pid int) (p Process, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, fmt.Errorf("no process %d can be looked at: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			p.Resident = kilobytes(value)
		case "RssAnon":
			p.Anonymous = kilobytes(value)
		}
	}
	// The identifier of the clock that clock_getcpuclockid(3) would return. /proc has hundredths of a second only.
	const scheduled = 2
	var clock unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &clock); err != nil {
		return p, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	p.CPU = time.Duration(clock.Nano())
	return p, nil
}

func kilobytes(value string) uint64 {
	var n uint64
	if _, err := fmt.Sscanf(value, "%d kB", &n); err != nil {
		return 0
	}
	return n << 10
}
