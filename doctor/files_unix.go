//go:build unix

package doctor

import (
	"math"
	"syscall"
)

// ownFiles is what this process may open. The Go runtime has raised the soft limit to the hard one.
func ownFiles() (usage, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return usage{}, err
	}
	if uint64(limit.Cur) > math.MaxInt32 {
		return usage{}, nil
	}
	return usage{limit: int(limit.Cur)}, nil
}
