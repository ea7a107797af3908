// A listener behind proxies that speak the PROXY protocol.

package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Options are how a [Trusted.Listener] works. The zero value is good.
type Options struct {
	Timeout time.Duration // for the header to come; 0 means 5 s
	Waiting int           // connections whose headers have not come yet, at most; 0 means 1024. Further ones wait in the kernel.
	Log     *slog.Logger  // of headers that are refused; nil means slog.Default
}

// Listener expects a header of the PROXY protocol, version 1 or 2, from every trusted peer, and has its connection come from the
// address that the header says; one whose client the proxy does not know (PROXY UNKNOWN, or a transport other than TCP) comes from
// nowhere, and nothing that it says of itself is believed. A connection without a header, or with one that is wrong or late, is closed. The connections of others
// are left alone: what they send at the beginning is not believed, and if it is such a header it is no HTTP.
//
// The connections that it accepts can ride an event loop.
func (t *Trusted) Listener(inner net.Listener, o Options) net.Listener {
	l := &listener{
		Listener: inner, trusted: t,
		timeout: cmp.Or(o.Timeout, 5*time.Second), log: cmp.Or(o.Log, slog.Default()),
		waiting: make(chan struct{}, cmp.Or(o.Waiting, 1024)),
		ready:   make(chan net.Conn), failed: make(chan error, 1),
	}
	l.open, l.stop = context.WithCancel(context.Background())
	l.working.Go(l.run)
	return l
}

type listener struct {
	net.Listener
	trusted *Trusted
	timeout time.Duration
	log     *slog.Logger

	waiting chan struct{} // one for each connection that is not handed on yet
	ready   chan net.Conn
	failed  chan error
	open    context.Context
	stop    context.CancelFunc // of open
	working sync.WaitGroup
}

// run accepts. Headers are read by goroutines of their own, so that a slow one holds nobody up.
func (l *listener) run() {
	for {
		select {
		case l.waiting <- struct{}{}:
		case <-l.open.Done():
			return
		}
		nc, err := l.Listener.Accept()
		if err == nil {
			l.working.Go(func() { l.welcome(nc) })
			continue
		}
		<-l.waiting
		select {
		case l.failed <- err:
		case <-l.open.Done():
			return
		}
	}
}

// welcome hands a connection on, once its header was read.
func (l *listener) welcome(nc net.Conn) {
	defer func() { <-l.waiting }()
	if l.trusted.trusts(nc.RemoteAddr()) {
		var err error
		if nc, err = l.introduced(nc); err != nil {
			return
		}
	}
	select {
	case l.ready <- nc:
	case <-l.open.Done():
		nc.Close()
	}
}

// introduced reads the header. After an error nc is closed.
func (l *listener) introduced(nc net.Conn) (net.Conn, error) {
	forget := context.AfterFunc(l.open, func() { nc.Close() })
	defer forget()
	nc.SetReadDeadline(time.Now().Add(l.timeout))
	source, local, err := readHeader(nc)
	if err == nil {
		err = nc.SetReadDeadline(time.Time{})
	}
	if err != nil {
		l.log.Info("connection refused", "remote", nc.RemoteAddr(), "cause", fmt.Errorf("PROXY protocol: %w", err),
			"cure", "have the proxy send the header, or set listen.proxy_protocol to false")
		nc.Close()
		return nil, err
	}
	switch {
	case local: // the proxy itself
		return nc, nil
	case source == nil:
		source = nowhere{}
	}
	return &conn{nc, source}, nil
}

// nowhere is the address of a client that its proxy does not know. It is nobody's who is trusted: the bytes are the client's.
type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "unknown" }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.ready:
		return nc, nil
	case err := <-l.failed:
		return nil, err
	case <-l.open.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the listener, and the connections that were not handed on.
func (l *listener) Close() error {
	l.stop()
	defer l.working.Wait()
	return l.Listener.Close()
}

// conn is a connection of which a proxy has told where it comes from.
type conn struct {
	net.Conn
	source net.Addr
}

// Socket is the connection beneath. The header was read; all that passes from now on goes there as it is.
func (c *conn) Socket() net.Conn { return c.Conn }

func (c *conn) RemoteAddr() net.Addr { return c.source }

// CloseWrite closes our direction, where the connection beneath can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
