// The network between a client and the node: a TCP proxy that delays, stalls and cuts connections as the seed says.

package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// fault is what happens to a connection once a number of bytes has gone one way. Bytes, not time, so that it strikes within frames
// and heads as well as between them.
type fault struct {
	kind  faultKind
	up    bool // counts what the client sends
	after int64
	lasts time.Duration // of a stall, which comes again after as many bytes
	delay time.Duration // of each piece
	piece int           // largest, in bytes
}

type faultKind uint8

const (
	none    faultKind = iota
	reset             // RST to both
	finish            // FIN to both
	silence           // nothing more goes through, and neither is told; until the network is calm
	stall             // the server's bytes wait for a while
)

// bufferSize is small, so that what waits for a stalled client waits in the server.
const bufferSize = 8 << 10

func newFault(r *rand.Rand) fault {
	f := fault{piece: 1 + r.IntN(4<<10)}
	if r.IntN(4) == 0 {
		f.piece, f.delay = f.piece+256, time.Duration(r.IntN(3000))*time.Microsecond
	}
	switch r.IntN(10) {
	case 0, 1:
		f.kind = reset
	case 2:
		f.kind = finish
	case 3:
		f.kind = silence
	case 4, 5, 6:
		f.kind, f.lasts = stall, milliseconds(r, 50, 1200)
	default:
		return f
	}
	f.up = f.kind != stall && r.IntN(4) == 0
	f.after = int64(r.IntN(12 << 10))
	if f.up || r.IntN(4) == 0 {
		f.after = int64(r.IntN(1 << 10)) // the opening handshake, too
	}
	return f
}

// proxy listens for one client.
type proxy struct {
	listener net.Listener
	target   string
	random   *rand.Rand // of the goroutine that accepts
	calm     chan struct{}
	working  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	links  map[*link]struct{}
}

// link is a connection through a proxy.
type link struct {
	client, server *net.TCPConn
	fault          fault
	silent         atomic.Bool
}

// newProxy begins to listen; calm is closed when nothing more is to go wrong.
func newProxy(r *rand.Rand, target string, calm chan struct{}) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for a client: %w", err)
	}
	p := &proxy{listener: l, target: target, random: r, calm: calm, links: make(map[*link]struct{})}
	p.working.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) isCalm() bool {
	select {
	case <-p.calm:
		return true
	default:
		return false
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		f := newFault(p.random)
		if p.isCalm() {
			f = fault{piece: 4 << 10}
		}
		p.working.Go(func() { p.link(client.(*net.TCPConn), f) })
	}
}

func (p *proxy) link(client *net.TCPConn, f fault) {
	server, err := net.Dial("tcp", p.target)
	if err != nil { // the node is down
		cutOff(client)
		return
	}
	l := &link{client: client, server: server.(*net.TCPConn), fault: f}
	l.server.SetReadBuffer(bufferSize)
	l.client.SetWriteBuffer(bufferSize)
	if !p.hold(l) {
		l.cut()
		return
	}
	defer p.drop(l)
	var both sync.WaitGroup
	both.Go(func() { p.pipe(l, l.server, l.client, true) })
	both.Go(func() { p.pipe(l, l.client, l.server, false) })
	both.Wait()
	l.client.Close()
	l.server.Close()
}

// pipe carries one direction until it ends.
func (p *proxy) pipe(l *link, to, from *net.TCPConn, up bool) {
	buffer := make([]byte, l.fault.piece)
	left := l.fault.after
	for {
		n, err := from.Read(buffer)
		if l.silent.Load() {
			p.keepQuiet(l)
			return
		}
		if n > 0 {
			if l.fault.delay > 0 && !p.isCalm() {
				time.Sleep(l.fault.delay)
			}
			if strikes := l.fault.kind != none && l.fault.up == up; strikes && !p.isCalm() {
				if left -= int64(n); left < 0 {
					if !p.strike(l) {
						return
					}
					left = l.fault.after + bufferSize
				}
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				l.cut()
				return
			}
		}
		if err == io.EOF {
			to.CloseWrite()
			return
		}
		if err != nil {
			l.cut()
			return
		}
	}
}

// strike does what the fault says, and reports whether the connection goes on.
func (p *proxy) strike(l *link) bool {
	switch l.fault.kind {
	case stall:
		select {
		case <-time.After(l.fault.lasts):
		case <-p.calm:
		}
		return true
	case silence:
		l.silent.Store(true)
		p.keepQuiet(l)
	case reset:
		l.cut()
	case finish:
		l.client.CloseWrite()
		l.server.CloseWrite()
	}
	return false
}

// keepQuiet waits until the network is calm: neither side is told that the other has gone.
func (p *proxy) keepQuiet(l *link) {
	<-p.calm
	l.cut()
}

// cutOff ends a connection with RST.
func cutOff(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func (l *link) cut() {
	cutOff(l.client)
	cutOff(l.server)
}

func (p *proxy) hold(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.links[l] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// reset cuts all connections there are, as a crash of the node does.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// close ends everything; calm must be closed.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.reset()
	p.working.Wait()
}
