//go:build unix

// What the process uses of the machine, where the system tells it as Unix does.

package console

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is the memory that the process holds now, 0 where only Linux would tell, and the CPU time that it has used, in seconds.
func process() (memory uint64, cpu float64) {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		cpu = (time.Duration(used.Utime.Nano()) + time.Duration(used.Stime.Nano())).Seconds()
	}
	statm, err := os.ReadFile("/proc/self/statm") // pages: all, resident, …
	if fields := bytes.Fields(statm); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
		memory = pages * uint64(os.Getpagesize())
	}
	return memory, cpu
}
