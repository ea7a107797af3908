//go:build linux

// The network in front of a server: a TCP proxy that can be cut and stalled.

package servers

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Link forwards connections to a server. It is mended at first. Its methods may be called from any goroutine.
type Link struct {
	Addr     string // host and port to connect to
	target   string
	listener net.Listener
	working  sync.WaitGroup

	mu     sync.Mutex    // guards what follows
	cut    bool          // connections are refused; those there were are gone
	flow   chan struct{} // closed while bytes may pass
	pairs  map[*pair]struct{}
	closed bool
}

// pair is a connection through a link.
type pair struct{ client, server *net.TCPConn }

// NewLink returns a link to a server's address.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{Addr: listener.Addr().String(), target: target, listener: listener, flow: make(chan struct{}), pairs: make(map[*pair]struct{})}
	close(l.flow)
	l.working.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Cut ends all connections with RST, and new ones as soon as they are there.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	l.reset()
}

// Stall lets nothing pass any more, in both directions, and tells nobody.
func (l *Link) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flowing() {
		l.flow = make(chan struct{})
	}
}

// Mend ends what Cut or Stall began. What waited goes on.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mend()
}

func (l *Link) mend() {
	l.cut = false
	if !l.flowing() {
		close(l.flow)
	}
}

func (l *Link) flowing() bool {
	select {
	case <-l.flow:
		return true
	default:
		return false
	}
}

func (l *Link) reset() {
	for p := range l.pairs {
		p.reset()
	}
}

func (p *pair) reset() {
	p.client.SetLinger(0)
	p.client.Close()
	p.server.SetLinger(0)
	p.server.Close()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.working.Go(func() { l.carry(client.(*net.TCPConn)) })
	}
}

func (l *Link) carry(client *net.TCPConn) {
	server, err := net.DialTimeout("tcp", l.target, 10*time.Second)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	p := &pair{client, server.(*net.TCPConn)}
	defer p.reset()
	l.mu.Lock()
	refused := l.cut || l.closed
	if !refused {
		l.pairs[p] = struct{}{}
	}
	l.mu.Unlock()
	if refused {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pipe(p, p.server, p.client) })
	both.Go(func() { l.pipe(p, p.client, p.server) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
}

// pipe carries one direction until either side ends, which ends both: no broker half-closes.
func (l *Link) pipe(p *pair, to, from *net.TCPConn) {
	defer p.reset()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		flow := l.flow
		l.mu.Unlock()
		<-flow
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *Link) close() {
	l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.mend()
	l.reset()
	l.mu.Unlock()
	l.working.Wait()
}
