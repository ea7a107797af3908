// Connections: who may come in, before anything is known of them but where they are.

package limit

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Admit counts a connection from an address until release is called, once or more often. The error is an [*hub.Error] with
// [hub.RateLimited]; release is then nil.
func (l *Limiter) Admit(address netip.Addr) (release func(), err error) {
	now := time.Now()
	key, counted := l.counted(address)
	var e *entry
	if counted {
		e = l.addresses.acquire(key, now)
		if err := l.admit(e, now); err != nil {
			l.addresses.release(key, e, now)
			return nil, err
		}
	}
	leave := func() {
		if e != nil {
			e.connections.Add(-1)
			l.addresses.release(key, e, time.Now())
		}
	}
	if b := l.newConnections; b != nil && !b.AllowN(now, 1) {
		leave()
		return nil, l.tooSoon(connectionsNew, b, now, "connections")
	}
	if most := l.limits.Connections.InAll; l.connections.Add(1) > int64(most) && most >= 0 {
		l.connections.Add(-1)
		leave()
		return nil, l.tooMany(connectionsInAll, most, "connections")
	}
	return sync.OnceFunc(func() {
		l.connections.Add(-1)
		leave()
	}), nil
}

// admit counts a connection of an address.
func (l *Limiter) admit(e *entry, now time.Time) error {
	if b := e.newConnections; b != nil && !b.AllowN(now, 1) {
		return l.tooSoon(connectionsNewPerAddress, b, now, "connections of an address")
	}
	if most := l.limits.Connections.PerAddress; e.connections.Add(1) > int64(most) && most >= 0 {
		e.connections.Add(-1)
		return l.tooMany(connectionsPerAddress, most, "connections of this address")
	}
	return nil
}

// Listener admits what inner accepts. Connections that may not be are closed at once, without a word: words cost more than the
// connection. Those for whom skip is true are let in uncounted: proxies, whose clients are counted as sessions; skip may be nil.
//
// The connections can ride an event loop, and are counted until it takes them over.
func (l *Limiter) Listener(inner net.Listener, skip func(netip.Addr) bool) net.Listener {
	return &listener{inner, l, skip}
}

type listener struct {
	net.Listener
	limiter *Limiter
	skip    func(netip.Addr) bool
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(nc)
		if l.skip != nil && l.skip(address) {
			return nc, nil
		}
		release, err := l.limiter.Admit(address)
		if err == nil {
			return &conn{nc, release}, nil
		}
		nc.Close()
		l.limiter.sampling.Do(func() {
			l.limiter.log.Info("connection refused", "remote", nc.RemoteAddr(), "cause", err, "cure", cure)
		})
	}
}

// addressOf is where nc comes from, or the zero Addr.
func addressOf(nc net.Conn) netip.Addr {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	release func()
}

// Socket is the connection beneath. All that passes goes there as it is.
func (c *conn) Socket() net.Conn { return c.Conn }

func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}

// CloseWrite closes our direction, where the connection beneath can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
