// Package line reads from and writes to a network connection the way a WebSocket wants it: a read waits without holding
// a buffer, contexts interrupt reads and writes without harm to the connection, and an observer can tell whether a write
// makes progress.
package line

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
)

// Sizes in bytes.
const (
	readSize  = 32 << 10 // one read from the socket at most
	waitSize  = 2 << 10  // what a connection waits with that cannot wait without a buffer (TLS, pipes)
	writeStep = 64 << 10 // one write to the socket at most, so that a slow large write shows progress
)

// Line is one network connection. One goroutine at a time reads and one at a time writes; the rest may be called from
// any.
type Line struct {
	nc  net.Conn
	raw syscall.RawConn    // nil where waiting without a buffer is not to be had
	try func(uintptr) bool // l.tryRead, bound once
	put func(uintptr) bool // l.tryWrite, bound once

	buf  []byte // what the last Read returned; from the pool unless it is wait
	err  error  // of the last tryRead
	wait []byte // without raw: the buffer to wait with
	full bool   // without raw: the last Read filled its buffer, so more is likely there already

	unsent  []byte // of the present Write
	sendErr error  // of the last tryWrite

	reading   interrupter
	writing   interrupter
	deadlines sync.Mutex  // held to set one
	left      atomic.Bool // contexts interrupt no more; changes under deadlines

	writes atomic.Uint32 // counts up at the start and the end of each step of a write: odd is within one
}

// Init prepares l, which takes nc over.
func (l *Line) Init(nc net.Conn) {
	l.nc = nc
	if l.raw = rawConn(nc); l.raw != nil {
		l.try, l.put = l.tryRead, l.tryWrite
	}
}

// NetConn is the connection beneath.
func (l *Line) NetConn() net.Conn { return l.nc }

// Read waits for bytes and returns them in a buffer that is good until the next Read or Release. At the end of the
// stream the error is io.EOF. When ctx ends first the error is ctx's own, nothing has been read, and reading may go on.
func (l *Line) Read(ctx context.Context) ([]byte, error) {
	l.Release()
	if err := l.reading.watch(ctx, l, false); err != nil {
		return nil, err
	}
	err := l.read()
	if len(l.buf) > 0 {
		return l.buf, nil
	}
	if err == nil {
		err = io.EOF
	}
	return nil, l.reading.settle(ctx, err)
}

func (l *Line) read() error {
	if l.raw == nil {
		return l.readPlain()
	}
	if err := l.raw.Read(l.try); err != nil {
		return err
	}
	return l.err
}

// readPlain waits with a small buffer of the connection's own, and borrows a large one only while bytes keep coming.
func (l *Line) readPlain() error {
	buf := l.wait
	if l.full {
		buf = buffers.Get(readSize)
	} else if buf == nil {
		l.wait = make([]byte, 0, waitSize)
		buf = l.wait
	}
	n, err := l.nc.Read(buf[:cap(buf)])
	l.buf, l.full = buf[:n], n == cap(buf)
	return err
}

// Release ends the loan of the buffer that Read returned.
func (l *Line) Release() {
	if l.buf != nil {
		if cap(l.buf) != waitSize {
			buffers.Put(l.buf)
		}
		l.buf = nil
	}
}

// Abandon is Release for a buffer that is still being read from: it is left to the garbage collector.
func (l *Line) Abandon() {
	l.buf, l.wait = nil, nil
}

// Write writes b. When ctx ends before anything was written the error is ctx.Err() itself and the connection is intact;
// after any other error it is of no more use.
func (l *Line) Write(ctx context.Context, b []byte) (n int, err error) {
	if err := l.writing.watch(ctx, l, true); err != nil {
		return 0, err
	}
	l.unsent = b
	l.writes.Add(1)
	if l.raw == nil {
		err = l.writePlain()
	} else if err = l.raw.Write(l.put); err == nil {
		err = l.sendErr
	}
	l.writes.Add(1)
	n, l.unsent = len(b)-len(l.unsent), nil
	if err != nil {
		err = l.writeFailed(ctx, n, err)
	}
	return n, err
}

func (l *Line) writePlain() error {
	for len(l.unsent) > 0 {
		n, err := l.nc.Write(l.unsent[:min(len(l.unsent), writeStep)])
		l.unsent = l.unsent[n:]
		if err != nil {
			return err
		}
		l.writes.Add(2)
	}
	return nil
}

func (l *Line) writeFailed(ctx context.Context, n int, err error) error {
	err = l.writing.settle(ctx, err)
	if n > 0 || l.raw == nil { // TLS cannot go on after an interrupted write
		err = fmt.Errorf("interrupted after %d bytes: %w", n, err)
	}
	return err
}

// Writes is a counter that moves whenever a write begins or makes progress, and is odd while one is under way.
func (l *Line) Writes() uint32 { return l.writes.Load() }

// Close closes the connection at once. Reads and writes in progress return.
func (l *Line) Close() error {
	l.leave()
	if secure, ok := l.nc.(*tls.Conn); ok { // whose own Close would wait for a peer that takes no bytes, to say goodbye
		return secure.NetConn().Close()
	}
	return l.nc.Close()
}

// leave takes the contexts of past reads and writes off the line, which would otherwise be held by them for as long as
// they live, and could cut its end short. Whoever is still reading or writing is no longer interrupted by theirs.
func (l *Line) leave() {
	l.deadlines.Lock()
	l.left.Store(true)
	l.deadlines.Unlock()
	l.reading.forget()
	l.writing.forget()
}

// Linger tells the peer that no more will come and discards what it still sends, until it closes its side or the time
// is over, and closes the connection. Closing at once instead would, with unread bytes waiting, make the kernel reset
// the connection, and the peer would lose the Close frame that was sent to it last (RFC 6455 §7.1.1).
func (l *Line) Linger(patience time.Duration) {
	defer l.nc.Close()
	l.leave()
	if l.nc.SetDeadline(time.Now().Add(patience)) != nil {
		return
	}
	if !CloseWrite(l.nc) {
		return
	}
	scratch := buffers.Get(buffers.Min)
	defer buffers.Put(scratch)
	for budget := 16 << 20; budget > 0; {
		n, err := l.nc.Read(scratch[:cap(scratch)])
		if err != nil {
			return
		}
		budget -= n
	}
}

// CloseWrite closes our direction, through TLS if there is any.
func CloseWrite(nc net.Conn) bool {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return false
	}
	if below, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return CloseWrite(below.NetConn())
	}
	return true
}
