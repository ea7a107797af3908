//go:build unix

package measure

import (
	"syscall"
	"time"
)

// cpuTime is the CPU time that the process has used, in user and kernel mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
