// How connections end, and what the handler hears of it.

package loop_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// An ending is something that happens to an open connection, and what the handler's Close is told.
type ending struct {
	accept  websocket.AcceptOptions
	outbox  loop.Outbox
	handler loop.Handler
	happens func(p *peer, c *loop.Conn)
	err     func(err error) bool
	sees    func(p *peer) // what the peer sees of it; nil is nothing to be checked
}

// is makes a check of an error that must wrap this one.
func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func closedWith(code websocket.StatusCode, reason string) func(error) bool {
	return func(err error) bool {
		closed, ok := errors.AsType[*websocket.CloseError](err)
		return ok && closed.Code == code && closed.Reason == reason
	}
}

func violation(code websocket.StatusCode, words string) func(error) bool {
	return func(err error) bool {
		v, ok := errors.AsType[*websocket.ProtocolError](err)
		return ok && v.Code == code && strings.Contains(v.Reason, words)
	}
}

// flood writes more than the sockets hold, to a peer that does not read.
func flood(_ *peer, c *loop.Conn) {
	for range 64 {
		c.Write(websocket.Binary, make([]byte, 256<<10))
	}
}

const ms = time.Millisecond

var endings = map[string]ending{
	"the peer closes": {
		happens: func(p *peer, _ *loop.Conn) { p.send(closing(4001, "bye")) },
		err:     closedWith(4001, "bye"),
		sees:    func(p *peer) { p.wantClose(4001, ""); p.wantEnd() },
	},
	"the peer closes without a code": {
		happens: func(p *peer, _ *loop.Conn) { p.send(frame(wire.Header{Fin: true, Opcode: wire.Close}, "")) },
		err:     closedWith(websocket.StatusNoStatus, ""),
		sees:    func(p *peer) { p.wantClose(websocket.StatusNoStatus, ""); p.wantEnd() },
	},
	"the peer closes, and its direction too": {
		happens: func(p *peer, _ *loop.Conn) { p.send(text("last"), closing(1000, "")); p.half() },
		err:     closedWith(1000, ""),
		sees:    func(p *peer) { p.want(wire.Text, "last"); p.wantClose(1000, ""); p.wantEnd() },
	},
	"the peer breaks the protocol": {
		happens: func(p *peer, _ *loop.Conn) { p.send([]byte{0x81, 0x00}) },
		err:     violation(1002, "mask"),
		sees:    func(p *peer) { p.wantClose(1002, "mask"); p.wantEnd() },
	},
	"the peer breaks the protocol and closes its direction": {
		happens: func(p *peer, _ *loop.Conn) { p.send([]byte{0x81, 0x00}); p.half() },
		err:     violation(1002, "mask"),
		sees:    func(p *peer) { p.wantClose(1002, "mask"); p.wantEnd() },
	},
	"text that is not UTF-8": {
		happens: func(p *peer, _ *loop.Conn) { p.send(text("\xff")) },
		err:     violation(1007, "UTF-8"),
		sees:    func(p *peer) { p.wantClose(1007, "UTF-8"); p.wantEnd() },
	},
	"a message that is too big": {
		accept:  websocket.AcceptOptions{Limits: websocket.Limits{Message: 1000}},
		happens: func(p *peer, _ *loop.Conn) { p.send(text(lorem(1001))) },
		err:     violation(1009, "1001"),
		sees:    func(p *peer) { p.wantClose(1009, "1000"); p.wantEnd() },
	},
	"a message that does not end": {
		accept:  websocket.AcceptOptions{Limits: websocket.Limits{FrameTimeout: 300 * ms}},
		happens: func(p *peer, _ *loop.Conn) { p.send(text(lorem(1000))[:500]) },
		err:     violation(1008, "not complete after 300ms"),
		sees:    func(p *peer) { p.wantClose(1008, "300ms"); p.wantEnd() },
	},
	"this side closes, and the peer answers": {
		happens: func(p *peer, c *loop.Conn) {
			c.Write(websocket.Text, []byte("last"))
			c.Close(4000, "enough")
			c.Write(websocket.Text, []byte("too late"))
			p.want(wire.Text, "last")
			p.wantClose(4000, "enough")
			p.send(text("read but not delivered"), closing(4000, ""))
		},
		err:  closedWith(4000, ""),
		sees: func(p *peer) { p.wantEnd() },
	},
	"this side closes, and the peer says nothing": {
		accept:  websocket.AcceptOptions{Limits: websocket.Limits{CloseTimeout: 300 * ms}},
		happens: func(_ *peer, c *loop.Conn) { c.Close(4000, "enough") },
		err: func(err error) bool {
			return strings.Contains(err.Error(), "did not answer the Close frame within 300ms")
		},
		sees: func(p *peer) { p.wantClose(4000, "enough"); p.wantEnd() },
	},
	"this side cuts": {
		happens: func(_ *peer, c *loop.Conn) { c.CloseNow() },
		err:     is(websocket.ErrClosed),
	},
	"this side closes in Open": {
		handler: loop.Handler{Open: func(c *loop.Conn) { c.Close(4000, "no") }},
		happens: func(p *peer, _ *loop.Conn) { p.wantClose(4000, "no"); p.send(closing(4000, "")) },
		err:     closedWith(4000, ""),
		sees:    func(p *peer) { p.wantEnd() },
	},
	"this side cuts in Open": {
		handler: loop.Handler{Open: func(c *loop.Conn) { c.CloseNow() }},
		happens: func(*peer, *loop.Conn) {},
		err:     is(websocket.ErrClosed),
	},
	"this side cuts in Message": {
		handler: loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, _ []byte) { c.CloseNow() }},
		happens: func(p *peer, _ *loop.Conn) { p.send(text("1"), text("2")) },
		err:     is(websocket.ErrClosed),
	},
	"the line is reset": {
		happens: func(p *peer, _ *loop.Conn) { p.hangUp() },
		err:     is(syscall.ECONNRESET),
	},
	"the peer goes away without a Close frame": {
		happens: func(p *peer, _ *loop.Conn) { p.tcp.Close() },
		err:     is(io.EOF),
	},
	"the peer closes its direction without a Close frame": {
		happens: func(p *peer, _ *loop.Conn) { p.half() },
		err:     is(io.EOF),
		sees:    func(p *peer) { p.wantEnd() },
	},
	"the peer does not answer pings": {
		accept:  websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: 200 * ms, Timeout: 200 * ms}},
		happens: func(*peer, *loop.Conn) {},
		err:     is(websocket.ErrKeepAlive),
		sees:    func(p *peer) { p.want(wire.Ping, "") },
	},
	"the peer takes no bytes": {
		accept:  websocket.AcceptOptions{Limits: websocket.Limits{WriteTimeout: 400 * ms}},
		outbox:  loop.Outbox{Bytes: 64 << 20},
		happens: flood,
		err:     is(websocket.ErrWriteTimeout),
	},
	"more waits for the peer than may": {
		happens: flood,
		err:     is(loop.ErrSlowConsumer),
		sees:    func(p *peer) { p.wantClose(1013, "the limit is 1048576") },
	},
	"something waits for the peer longer than it may": {
		outbox:  loop.Outbox{Bytes: 64 << 20, Age: 400 * ms},
		happens: flood,
		err:     is(loop.ErrSlowConsumer),
		sees:    func(p *peer) { p.wantClose(1013, "a message has waited for 400ms") },
	},
}

func TestEveryEndingIsToldOnce(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		for name, e := range endings {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				e.run(t, d)
			})
		}
	})
}

func (e ending) run(t *testing.T, d driver) {
	opened, closed := make(chan *loop.Conn, 1), make(chan error, 1)
	h := loop.Handler{
		Open: func(c *loop.Conn) {
			if e.handler.Open != nil {
				e.handler.Open(c)
			}
			opened <- c
		},
		Message: e.handler.Message,
		Close:   func(_ *loop.Conn, err error) { closed <- err },
	}
	if h.Message == nil {
		h.Message = echo
	}
	s := d.start(t, h, loop.Options{Accept: e.accept, Outbox: e.outbox})
	p := s.peer()
	c := receive(t, opened, "Open")
	ticks := s.Ticks()
	until(t, "the first look at the connection is over", func() bool { return s.Ticks() > ticks+2 })
	e.happens(p, c)
	if err := receive(t, closed, "Close"); !e.err(err) {
		t.Errorf("Close was told %v", err)
	}
	if e.sees != nil {
		e.sees(p)
	}
	if err := c.Write(websocket.Text, nil); !errors.Is(err, websocket.ErrClosing) {
		t.Errorf("Write after the end: %v", err)
	}
	p.tcp.Close()
	until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
}

func TestAPeerThatLingersIsLeft(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{}, loop.Options{})
		p := s.peer()
		p.send(closing(1000, ""))
		start := time.Now()
		p.wantClose(1000, "") // and does not close the line
		until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("the line was kept for %v", took)
		}
	})
}

func TestAPeerThatAnswersPingsIsKept(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		opts := loop.Options{}
		opts.Accept.KeepAlive = websocket.KeepAlive{Interval: 100 * ms, Timeout: 10 * time.Second}
		s := d.start(t, loop.Handler{}, opts)
		p := s.peer()
		for range 4 {
			p.want(wire.Ping, "")
			p.send(frame(wire.Header{Fin: true, Opcode: wire.Pong}, ""))
		}
		if n := s.Stats().Connections; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
