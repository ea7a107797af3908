package rooms

// This file: the client's system calls. Those of a message are raw: none of them blocks, and telling Go's scheduler costs more
// than they do.

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// perSource is how many connections leave one address. An address has 28,000 ports to a server, of which the kernel looks for a free one
// the longer the fewer are left: past half of them a connection costs milliseconds.
const perSource = 8000

// sourceOf is the loopback address that connection i leaves.
func sourceOf(i int) [4]byte { return [4]byte{127, 0, 0, byte(1 + i/perSource)} }

// connect makes connection i of this process.
func connect(server netip.AddrPort, i int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1), // the port is chosen for this server
		unix.Bind(fd, &unix.SockaddrInet4{Addr: sourceOf(i)}),
		// Closing resets: thousands of connections in TIME_WAIT would disturb the next measurement.
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.Connect(fd, &unix.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}),
		unix.SetNonblock(fd, true),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connecting: %w", err)
	}
	return fd, nil
}

func (c *crowd) control(op int, s *session, events uint32) error {
	return unix.EpollCtl(c.epoll, op, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.index)})
}

// ready returns how many events have come. It waits for some at most so long; with no time to wait it polls.
func (c *crowd) ready(wait time.Duration) (int, error) {
	if wait > 0 {
		return unix.EpollWait(c.epoll, c.events, int(wait.Milliseconds()))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.epoll), uintptr(unsafe.Pointer(&c.events[0])),
		uintptr(len(c.events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// read returns how many bytes there are at the start of the buffer; 0 if none were to be had.
func (c *crowd) read(s *session) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(s.fd), uintptr(unsafe.Pointer(&c.buffer[0])), readBuffer)
	switch {
	case errno == unix.EAGAIN:
		return 0, nil
	case errno != 0:
		return 0, fmt.Errorf("receiving: %w", errno)
	case n == 0:
		return 0, fmt.Errorf("the server closed the connection%s", c.stuck())
	}
	return int(n), nil
}

// send writes what the socket takes; the rest leaves when it takes more.
func (c *crowd) send(s *session, bytes []byte) error {
	if len(bytes) == 0 {
		return nil
	}
	if len(s.unsent) > 0 {
		s.unsent = append(s.unsent, bytes...)
		return nil
	}
	s.unsent = bytes
	if err := c.write(s); err != nil || len(s.unsent) == 0 {
		return err
	}
	return c.control(unix.EPOLL_CTL_MOD, s, unix.EPOLLIN|unix.EPOLLOUT)
}

func (c *crowd) flush(s *session) error {
	if len(s.unsent) > 0 {
		if err := c.write(s); err != nil || len(s.unsent) > 0 {
			return err
		}
	}
	return c.control(unix.EPOLL_CTL_MOD, s, unix.EPOLLIN)
}

func (c *crowd) write(s *session) error {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(s.fd), uintptr(unsafe.Pointer(&s.unsent[0])), uintptr(len(s.unsent)))
	if errno == unix.EAGAIN {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("sending on connection %d: %w", s.index, errno)
	}
	s.unsent = s.unsent[n:]
	return nil
}
