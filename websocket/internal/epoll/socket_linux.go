// Sockets that have left package net: how they come out of it, and what the kernel knows about them.

package epoll

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Take takes the descriptor of a TCP or Unix connection out of package net: it is duplicated and the original closed, to be
// rid of the net.Conn and its share of Go's poller. The descriptor does not block and is the caller's. remote is the peer's address
// where it is another than the kernel knows, or nil. ok is false, and nc as it was, for connections of other types, whose Read and
// Write would be passed by, unless they say by a method Socket() net.Conn that they leave what passes as it is.
func Take(nc net.Conn) (fd int32, remote net.Addr, ok bool) {
	bare := beneath(nc)
	var socket syscall.Conn
	switch bare := bare.(type) {
	case *net.TCPConn:
		socket = bare
	case *net.UnixConn:
		socket = bare
	default:
		return 0, nil, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	if shown := nc.RemoteAddr(); shown != nil && shown != bare.RemoteAddr() {
		remote = shown
	}
	var dup int
	var dupErr error
	if err := raw.Control(func(old uintptr) { dup, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return 0, nil, false
	}
	nc.Close() // all of it: a wrapper may count
	return int32(dup), remote, true
}

// beneath is the connection that nc wraps without touching what passes, or nc.
func beneath(nc net.Conn) net.Conn {
	for {
		wrapper, ok := nc.(interface{ Socket() net.Conn })
		if !ok {
			return nc
		}
		nc = wrapper.Socket()
	}
}

// Give hands a descriptor back to package net. It is closed in any case: the connection has a duplicate.
func Give(fd int32) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	return net.FileConn(file)
}

// Close closes a descriptor.
func Close(fd int32) { unix.Close(int(fd)) }

// CloseWrite closes our direction of a connection.
func CloseWrite(fd int32) { unix.Shutdown(int(fd), unix.SHUT_WR) }

// RemoteAddr is the address of the peer, or nil if the kernel does not know any more.
func RemoteAddr(fd int32) net.Addr { return addrOf(unix.Getpeername(int(fd))) }

// LocalAddr is our address.
func LocalAddr(fd int32) net.Addr { return addrOf(unix.Getsockname(int(fd))) }

func addrOf(sa unix.Sockaddr, err error) net.Addr {
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
