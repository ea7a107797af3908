// Handshakes: many at a time, a few of them computing, and none for ever.

package tlsshim

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

// NewListener returns a listener whose connections are *tls.Conn over a [Shim], their handshakes done. At most 4,096 of those
// run at a time, 64 computing and the others waiting for their peers, each for at most 10 s.
func NewListener(inner net.Listener, config *tls.Config) net.Listener {
	config = forLoop(config)
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen != nil {
				chosen = forLoop(chosen)
			}
			return chosen, err
		}
	}
	l := &listener{
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

// forLoop is a copy of config whose connections can be taken over, as one on HTTP/2 cannot: that has to be asked for.
func forLoop(config *tls.Config) *tls.Config {
	config = config.Clone()
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
	}
	config.DynamicRecordSizingDisabled = true
	return config
}

// listener accepts connections, does their handshakes, and hands on those that have succeeded.
type listener struct {
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

func (l *listener) run() {
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

func (l *listener) handshake(nc net.Conn) {
	ctx, cancel := context.WithTimeout(l.open, handshakeTimeout)
	defer cancel()
	beneath := &Shim{Conn: nc, slots: l.slots}
	secure := tls.Server(beneath, l.config)
	beneath.tls = secure
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

func (l *listener) Close() error {
	l.stop()
	defer l.working.Wait()
	return l.Listener.Close()
}
