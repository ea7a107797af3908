package line

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged bounds how long bytes may have been sent and not acknowledged: the kernel's own patience is a quarter of
// an hour, and it does not probe a connection while it repeats bytes.
func limitUnacknowledged(tcp *net.TCPConn, limit time.Duration) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
}
