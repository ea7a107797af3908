//go:build unix

package server

import (
	"math"
	"syscall"
)

// openFiles is how many files the process may open; 0 is no limit. The Go runtime has raised the soft limit to the hard one.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
