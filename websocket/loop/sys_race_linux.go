//go:build linux && race

// The same system calls by the way that the race detector knows.

package loop

import "golang.org/x/sys/unix"

func sysRead(fd int32, b []byte) (int, unix.Errno)  { return outcome(unix.Read(int(fd), b)) }
func sysWrite(fd int32, b []byte) (int, unix.Errno) { return outcome(unix.Write(int(fd), b)) }

func outcome(n int, err error) (int, unix.Errno) {
	errno, _ := err.(unix.Errno)
	return max(n, 0), errno
}

func epollWait(epoll int, ready []unix.EpollEvent) int {
	n, err := unix.EpollWait(epoll, ready, 0)
	if err != nil {
		return 0
	}
	return n
}
