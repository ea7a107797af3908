// The limit on open files, shared by HTTP connections and by lines, which are taken from them.

package server

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// files are those that connections of clients may take: some by connections that HTTP holds, the others by lines.
type files struct {
	most     int          // 0 is no bound
	http     atomic.Int64 // accepted, and not closed or taken over
	lines    atomic.Pointer[func() int]
	log      *slog.Logger
	sampling rate.Sometimes
}

// newFiles is for a process that may open so many files; 0 is no bound.
func newFiles(open int, log *slog.Logger) *files {
	f := &files{log: log, sampling: rate.Sometimes{First: 1, Interval: time.Minute}}
	if open > 0 {
		f.most = roomIn(open)
	}
	return f
}

// listener closes at once what inner accepts while all files are taken: without the bound accepting would fail, over and over, and so
// would everything else that wants a file.
func (f *files) listener(inner net.Listener) net.Listener {
	if f.most == 0 {
		return inner
	}
	return &filesListener{inner, f}
}

type filesListener struct {
	net.Listener
	files *files
}

func (l *filesListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.files.take() {
			return &fileConn{Conn: nc, release: sync.OnceFunc(func() { l.files.http.Add(-1) })}, nil
		}
		nc.Close()
		l.files.sampling.Do(func() {
			l.files.log.Warn("connection refused", "remote", nc.RemoteAddr(), "cause", "all open files that clients may have are taken", "files", l.files.most,
				"cure", "raise the limit on open files, with ulimit -n or as LimitNOFILE= of a systemd unit")
		})
	}
}

// take takes a file, if there is one.
func (f *files) take() bool {
	lines := 0
	if count := f.lines.Load(); count != nil {
		lines = (*count)()
	}
	if int(f.http.Add(1))+lines > f.most {
		f.http.Add(-1)
		return false
	}
	return true
}

// fileConn is a connection that is counted until it is closed or taken over.
type fileConn struct {
	net.Conn
	release func()
}

// Socket is the connection beneath. All that passes goes there as it is.
func (c *fileConn) Socket() net.Conn { return c.Conn }

func (c *fileConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// CloseWrite closes our direction, where the connection beneath can.
func (c *fileConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
