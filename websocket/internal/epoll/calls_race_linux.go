//go:build linux && race

// The same system calls by the way that the race detector knows.

package epoll

import "golang.org/x/sys/unix"

// Read reads once from a socket that does not block. 0 bytes without an error are the end.
func Read(fd int32, b []byte) (int, unix.Errno) { return outcome(unix.Read(int(fd), b)) }

// Write writes once to a socket that does not block, as much as it takes.
func Write(fd int32, b []byte) (int, unix.Errno) { return outcome(unix.Write(int(fd), b)) }

func outcome(n int, err error) (int, unix.Errno) {
	errno, _ := err.(unix.Errno)
	return max(n, 0), errno
}

func (p *Poll) Ready(ready []Event) int {
	n, err := unix.EpollWait(p.epoll, ready, 0)
	if err != nil {
		return 0
	}
	return n
}
