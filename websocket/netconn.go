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
// refused with 1003. Close is Close of c with 1000; ctx ends every Read and Write. At the peer's closing
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
	if errors.Is(err, errCutShort) { // by a write deadline: to a user of net.Conn that is what happened
		return os.ErrDeadlineExceeded
	}
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

// deadline turns net.Conn deadlines, which may move while a call is in progress, into contexts, whose deadlines may not.
// Moving one disturbs no call: a context ends when the deadline has passed, and only then does another take its place.
type deadline struct {
	base context.Context // ends with Close, or with NetConn's context
	stop context.CancelFunc

	mu    sync.Mutex      // guards what follows
	ctx   context.Context // for the calls; ends with base, or as the deadline passes
	pass  context.CancelCauseFunc
	at    time.Time // zero is never
	timer *time.Timer
}

func (d *deadline) init(ctx context.Context) {
	d.base, d.stop = context.WithCancel(ctx)
	d.ctx, d.pass = context.WithCancelCause(d.base)
}

// cancel ends all calls, now and later.
func (d *deadline) cancel() {
	d.stop()
	d.set(time.Time{})
}

// set moves the deadline, also of a call in progress.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at = t; d.timer != nil {
		d.timer.Stop()
	}
	if context.Cause(d.ctx) == os.ErrDeadlineExceeded {
		d.ctx, d.pass = context.WithCancelCause(d.base)
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		d.pass(os.ErrDeadlineExceeded)
	default:
		d.timer = time.AfterFunc(left, d.look)
	}
}

// look is what the timer runs. The deadline may have moved at the last moment.
func (d *deadline) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		d.pass(os.ErrDeadlineExceeded)
	}
}

// run calls f with the present context, unless that has ended, and gives the context's error the name that net.Conn has
// for it.
func (d *deadline) run(f func(context.Context) error) error {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	err := ctx.Err()
	if err == nil {
		err = f(ctx)
	}
	switch ended := ctx.Err(); {
	case err == nil || ended == nil || !errors.Is(err, ended):
		return err
	case context.Cause(ctx) == os.ErrDeadlineExceeded:
		return os.ErrDeadlineExceeded
	}
	return net.ErrClosed
}
