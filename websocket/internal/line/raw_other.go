//go:build !unix

package line

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func (l *Line) tryRead(uintptr) bool { return true }

func (l *Line) tryWrite(uintptr) bool { return true }
