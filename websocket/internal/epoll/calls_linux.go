//go:build linux && !race

// System calls that cannot block skip the scheduler's bookkeeping for calls that might.

package epoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads once from a socket that does not block. 0 bytes without an error are the end.
func Read(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Write writes once to a socket that does not block, as much as it takes.
func Write(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Ready returns how much is ready now, and has filled so much of ready.
func (p *Poll) Ready(ready []Event) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(unsafe.SliceData(ready))), uintptr(len(ready)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
