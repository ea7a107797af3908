// TLS on the event loop, by the standard library: crypto/tls believes that it reads from and writes to a connection, and is
// handed the bytes of the loop.

package loop

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Bounds of the handshakes under way.
const (
	handshakes       = 4096 // at once; others wait in the kernel's queue
	reckoning        = 64   // of these, at once; the others wait for their peers
	handshakeTimeout = 10 * time.Second
)

// shim is the connection beneath a tls.Conn. It begins as the network connection itself, for the handshake and the HTTP
// request. Once the loop has taken over, reads take from what the loop has received, and writes go to what it will send.
type shim struct {
	net.Conn
	looped bool   // the loop has taken over
	in     []byte // received and not decrypted yet
	out    []byte // encrypted and not sent yet

	answers int           // bytes of out that crypto/tls has written for itself
	slots   chan struct{} // of a handshake under way: one is given up while waiting for the peer
}

// errAgain is the end of what was received so far. crypto/tls hands a temporary error on and keeps what it has read of a
// record; any other it would remember for ever.
type errAgain struct{}

func (errAgain) Error() string   { return "nothing received yet" }
func (errAgain) Timeout() bool   { return true }
func (errAgain) Temporary() bool { return true }

func (s *shim) Read(p []byte) (int, error) {
	switch {
	case len(s.in) > 0: // also after the loop has let go of it
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, nil
	case !s.looped:
		s.yield()
		defer s.reclaim()
		return s.Conn.Read(p)
	}
	return 0, errAgain{}
}

// Write always takes all of p: crypto/tls cannot go on after a write that failed. What holds a slow peer to its bounds
// stands above.
func (s *shim) Write(p []byte) (int, error) {
	if !s.looped {
		s.yield()
		defer s.reclaim()
		return s.Conn.Write(p)
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

// yield lets another handshake work, while this one waits for the network.
func (s *shim) yield() {
	if s.slots != nil {
		<-s.slots
	}
}

// reclaim waits until this handshake may work again. Those that work do not wait for anything, so it is not for long.
func (s *shim) reclaim() {
	if s.slots != nil {
		s.slots <- struct{}{}
	}
}

// The loop has deadlines of its own; crypto/tls sets one when it closes.
func (s *shim) SetDeadline(t time.Time) error {
	if s.looped {
		return nil
	}
	return s.Conn.SetDeadline(t)
}

func (s *shim) SetReadDeadline(t time.Time) error {
	if s.looped {
		return nil
	}
	return s.Conn.SetReadDeadline(t)
}

func (s *shim) SetWriteDeadline(t time.Time) error {
	if s.looped {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}

// NewTLSListener returns a listener whose connections are TLS that the event loop can take over. Give it to an http.Server
// that leads to a [Server]; with the listener of tls.NewListener each connection would keep goroutines of its own.
//
// Handshakes run at most 4,096 at a time, 64 of them computing and the others waiting for their peers, and for at most 10 s.
// Peers that say nothing hold up nobody else before there are as many. config must have a certificate, and may replace it while the
// listener runs, through GetCertificate or GetConfigForClient.
func NewTLSListener(inner net.Listener, config *tls.Config) net.Listener {
	config = onlyHTTP1(config)
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen != nil {
				chosen = onlyHTTP1(chosen)
			}
			return chosen, err
		}
	}
	l := &tlsListener{
		Listener: inner, config: config,
		ready:   make(chan net.Conn),
		failed:  make(chan error, 1),
		running: make(chan struct{}, handshakes),
		slots:   make(chan struct{}, reckoning),
	}
	l.open, l.stop = context.WithCancel(context.Background())
	l.working.Go(l.run)
	return l
}

// onlyHTTP1 is a copy of config whose connections can be taken over, as one on HTTP/2 cannot.
func onlyHTTP1(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	config.DynamicRecordSizingDisabled = true
	return config
}

// tlsListener accepts connections, does their handshakes, and hands on those that have succeeded.
type tlsListener struct {
	net.Listener
	config  *tls.Config
	ready   chan net.Conn
	failed  chan error
	running chan struct{} // one for each handshake under way
	slots   chan struct{} // one for each that does not wait for its peer
	open    context.Context
	stop    context.CancelFunc // of open
	working sync.WaitGroup
}

func (l *tlsListener) run() {
	for {
		select {
		case l.running <- struct{}{}:
		case <-l.open.Done():
			return
		}
		nc, err := l.Listener.Accept()
		if err == nil {
			l.working.Go(func() { l.handshake(nc) })
			continue
		}
		<-l.running
		select {
		case l.failed <- err:
		case <-l.open.Done():
			return
		}
	}
}

func (l *tlsListener) handshake(nc net.Conn) {
	ctx, cancel := context.WithTimeout(l.open, handshakeTimeout)
	defer cancel()
	beneath := &shim{Conn: nc, slots: l.slots}
	secure := tls.Server(beneath, l.config)
	beneath.reclaim()
	err := secure.HandshakeContext(ctx)
	beneath.yield()
	beneath.slots = nil
	<-l.running
	if err != nil {
		nc.Close()
		return
	}
	select {
	case l.ready <- secure:
	case <-l.open.Done():
		nc.Close()
	}
}

func (l *tlsListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.ready:
		return nc, nil
	case err := <-l.failed:
		return nil, err
	case <-l.open.Done():
		return nil, net.ErrClosed
	}
}

func (l *tlsListener) Close() error {
	l.stop()
	defer l.working.Wait()
	return l.Listener.Close()
}
