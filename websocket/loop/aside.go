// What few connections need is kept aside, so that the many do not carry it.

package loop

import (
	"crypto/tls"
	"net"

	"github.com/ringdown/ringdown/websocket"
)

// aside is what few connections need.
type aside struct {
	rest     []byte // received and not handed to the handler yet: it has paused, or the connection is new
	unhooked bool   // not in epoll: the peer has hung up while the handler paused
	tls      *tls.Conn
	shim     *shim // beneath tls

	remote    net.Addr              // the peer's, where the kernel does not know it: a proxy has told
	heartbeat string                // of a stream
	detach    func(*websocket.Conn) // by Detach
}

// more is the connection's aside, which it has from now on. Called with the lock, once the connection is anybody else's.
func (c *Conn) more() *aside {
	if c.aside == nil {
		c.aside = new(aside)
	}
	return c.aside
}

// secure reports whether the connection is TLS.
func (c *Conn) secure() bool { return c.aside != nil && c.aside.tls != nil }
