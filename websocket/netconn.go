// A WebSocket connection as a net.Conn.

package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn makes a [net.Conn] of c, for protocols that want a stream of bytes. Each Write goes out as one message of type
// typ; Read hands out the bytes of the messages as they come, without their borders. A message of the other type is
// refused with 1003. Close sends 1000 and does not wait for long; ctx ends every Read and Write. At the peer's closing
// with 1000 or 1001 Read returns io.EOF.
//
// A read deadline that passes harms nothing: a later one lets reading go on. A write deadline that passes in the middle
// of a message drops the connection.
func NetConn(ctx context.Context, c *Conn, typ MessageType) net.Conn {
	n := &netConn{conn: c, typ: typ}
	n.reading.init(ctx)
	n.writing.init(ctx)
	return n
}

type netConn struct {
	conn    *Conn
	typ     MessageType
	reading deadline
	writing deadline

	mu      sync.Mutex // one Read at a time
	buf     []byte     // of the last message
	message []byte     // what of buf was not handed out yet
}

func (n *netConn) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for len(n.message) == 0 {
		if err := n.next(); err != nil {
			return 0, err
		}
	}
	read := copy(p, n.message)
	n.message = n.message[read:]
	return read, nil
}

// next waits for the next message.
func (n *netConn) next() error {
	err := n.reading.run(func(ctx context.Context) error {
		typ, data, err := n.conn.ReadInto(ctx, n.buf)
		if err != nil {
			return err
		}
		if typ != n.typ {
			err := &ProtocolError{Code: StatusUnsupportedData, Reason: "only " + n.typ.String() + " messages are understood here"}
			return n.conn.fail(err.Code, err.Reason, err)
		}
		n.buf, n.message = data, data
		return nil
	})
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway:
		return io.EOF
	}
	return err
}

func (n *netConn) Write(p []byte) (int, error) {
	err := n.writing.run(func(ctx context.Context) error { return n.conn.Write(ctx, n.typ, p) })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (n *netConn) Close() error {
	n.reading.cancel()
	n.writing.cancel()
	return n.conn.Close(StatusNormalClosure, "")
}

func (n *netConn) LocalAddr() net.Addr  { return n.conn.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.conn.RemoteAddr() }

func (n *netConn) SetDeadline(t time.Time) error {
	n.reading.set(t)
	n.writing.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.reading.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.writing.set(t)
	return nil
}

// deadline turns net.Conn deadlines, which may move while a call is in progress, into contexts, which cannot.
type deadline struct {
	base context.Context
	stop context.CancelFunc

	mu     sync.Mutex
	ctx    context.Context // for the calls from now on
	change context.CancelFunc
	at     time.Time // when it ends; zero is never
}

// errMoved is why a context ends whose deadline was moved.
var errMoved = errors.New("the deadline was moved")

func (d *deadline) init(ctx context.Context) {
	d.base, d.stop = context.WithCancel(ctx)
	d.ctx, d.change = d.base, func() {}
}

// cancel ends all calls, now and later.
func (d *deadline) cancel() { d.stop() }

// set moves the deadline, also of a call in progress.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.change
	moved, cancel := context.WithCancelCause(d.base)
	ctx, stop := moved, func() {}
	if !t.IsZero() {
		ctx, stop = context.WithDeadline(moved, t)
	}
	d.ctx, d.at = ctx, t
	d.change = func() { cancel(errMoved); stop() }
	before()
}

// run calls f with the present context, and again if the deadline was moved meanwhile.
func (d *deadline) run(f func(context.Context) error) error {
	for {
		d.mu.Lock()
		ctx, at := d.ctx, d.at
		d.mu.Unlock()
		if !at.IsZero() && !time.Now().Before(at) {
			return os.ErrDeadlineExceeded
		}
		err := f(ctx)
		switch {
		case err == nil || !errors.Is(err, ctx.Err()):
			return err
		case context.Cause(ctx) == errMoved:
			continue
		case d.base.Err() != nil:
			return net.ErrClosed
		case errors.Is(err, context.DeadlineExceeded):
			return os.ErrDeadlineExceeded
		}
		return err
	}
}
