// A network between clients and a server, which can break in the ways in which networks do.

package socketio

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// network passes connections on to a server.
type network struct {
	url string

	mu     sync.Mutex // guards what follows
	server string
	paths  []*path
}

// path is one connection.
type path struct {
	near, far net.Conn
	dead      atomic.Bool // what enters it is lost, also its end
}

func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{url: "http://" + l.Addr().String(), server: server}
	t.Cleanup(func() {
		l.Close()
		n.cut()
	})
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			n.connect(near)
		}
	}()
	return n
}

func (n *network) connect(near net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	far, err := net.Dial("tcp", n.server)
	if err != nil {
		near.Close()
		return
	}
	p := &path{near: near, far: far}
	n.paths = append(n.paths, p)
	go p.carry(near, far)
	go p.carry(far, near)
}

func (p *path) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		size, err := from.Read(buffer)
		if p.dead.Load() {
			if err != nil {
				return // the other side does not notice
			}
			continue
		}
		if _, wrong := to.Write(buffer[:size]); err != nil || wrong != nil {
			from.Close()
			to.Close()
			return
		}
	}
}

// lead leads connections to come to another server.
func (n *network) lead(server string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.server = server
}

// cut ends all connections, at both ends.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.paths {
		p.near.Close()
		p.far.Close()
	}
	n.paths = nil
}

// fall has all connections lose what is sent over them, and nobody notice.
func (n *network) fall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.paths {
		p.dead.Store(true)
	}
}
