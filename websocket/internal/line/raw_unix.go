//go:build unix

// Reading straight from the file descriptor, so that a buffer is borrowed only when bytes are there.

package line

import (
	"net"
	"syscall"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
)

// rawConn is the descriptor of nc, or nil if nc is not itself a socket.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, _ := nc.SyscallConn()
		return raw
	case *net.UnixConn:
		raw, _ := nc.SyscallConn()
		return raw
	}
	return nil
}

// tryRead reads if anything is there; false makes the runtime wait until there is and call again.
func (l *Line) tryRead(fd uintptr) bool {
	buf := buffers.Get(readSize)
	n, err := syscall.Read(int(fd), buf[:readSize])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf[:readSize])
	}
	if err == syscall.EAGAIN {
		buffers.Put(buf)
		return false
	}
	l.buf, l.err = buf[:max(n, 0)], err
	return true
}
