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
	handshakes       = 256 // at once; others wait in the kernel's queue
	handshakeTimeout = 10 * time.Second
)

// shim is the connection beneath a tls.Conn. It begins as the network connection itself, for the handshake and the HTTP
// request. Once the loop has taken over, reads take from what the loop has received, and writes go to what it will send.
type shim struct {
	net.Conn
	looped bool   // the loop has taken over
	in     []byte // received and not decrypted yet
	out    []byte // encrypted and not sent yet
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
		return s.Conn.Read(p)
	}
	return 0, errAgain{}
}

// Write always takes all of p: crypto/tls cannot go on after a write that failed. What holds a slow peer to its bounds
// stands above.
func (s *shim) Write(p []byte) (int, error) {
	if !s.looped {
		return s.Conn.Write(p)
	}
	s.out = append(s.out, p...)
	return len(p), nil
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
// Without config.NextProtos clients get HTTP/1.1. If it lists "h2", those that offer it get HTTP/2 from the http.Server, for the
// rest of a site; browsers offer only HTTP/1.1 for a WebSocket, and only connections with that can be taken over.
//
// Handshakes run at most 256 at a time and for at most 10 s. config must have a certificate, and may replace it while the
// listener runs, through GetCertificate or GetConfigForClient.
func NewTLSListener(inner net.Listener, config *tls.Config) net.Listener {
	config = config.Clone()
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"} // a connection on HTTP/2 cannot be taken over
	}
	config.DynamicRecordSizingDisabled = true
	l := &tlsListener{
		Listener: inner, config: config,
		ready:   make(chan net.Conn),
		failed:  make(chan error, 1),
		running: make(chan struct{}, handshakes),
	}
	l.open, l.stop = context.WithCancel(context.Background())
	l.working.Go(l.run)
	return l
}

// tlsListener accepts connections, does their handshakes, and hands on those that have succeeded.
type tlsListener struct {
	net.Listener
	config  *tls.Config
	ready   chan net.Conn
	failed  chan error
	running chan struct{} // one for each handshake under way
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
	secure := tls.Server(&shim{Conn: nc}, l.config)
	err := secure.HandshakeContext(ctx)
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
