//go:build unix

// Reading and writing straight at the file descriptor, so that a buffer is borrowed only when bytes are there.

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
	buf := buffers.Get(readSize)[:readSize]
	n, err := sysRead(fd, buf)
	for err == syscall.EINTR {
		n, err = sysRead(fd, buf)
	}
	if err == syscall.EAGAIN {
		buffers.Put(buf)
		return false
	}
	l.buf, l.err = buf[:n], orNil(err)
	return true
}

// tryWrite writes what it can; false makes the runtime wait until there is room and call again.
func (l *Line) tryWrite(fd uintptr) bool {
	for len(l.unsent) > 0 {
		n, err := sysWrite(fd, l.unsent[:min(len(l.unsent), writeStep)])
		switch err {
		case 0:
			if l.unsent = l.unsent[n:]; len(l.unsent) > 0 {
				l.writes.Add(2)
			}
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			l.sendErr = err
			return true
		}
	}
	l.sendErr = nil
	return true
}

// orNil is errno as an error: nil for none.
func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
