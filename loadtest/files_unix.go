//go:build unix

package loadtest

import "golang.org/x/sys/unix"

// openFileLimit is how many files this process may open. Go has raised it as far as it can be.
func openFileLimit() (limit int, known bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	const plenty = 1 << 30 // also stands for infinity
	return int(min(uint64(r.Cur), plenty)), true
}
