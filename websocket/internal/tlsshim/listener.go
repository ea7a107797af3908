// Handshakes: many at a time, a few of them computing, and none for ever.

package tlsshim

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Bounds of the handshakes under way.
const (
	handshakes       = 4096 // at once; one more takes the place of the oldest
	reckoning        = 64   // of these, at once; the others wait for their peers
	handshakeTimeout = 10 * time.Second
)

// NewListener returns a listener whose connections are *tls.Conn over a [Shim], their handshakes done. At most 4,096 of those
// run at a time, 64 computing and the others waiting for their peers, each for at most 10 s. One more ends the oldest of them, so
// that peers which say nothing keep out nobody who does.
func NewListener(inner net.Listener, config *tls.Config) net.Listener {
	return newListener(inner, config, handshakes)
}

func newListener(inner net.Listener, config *tls.Config, most int) *listener {
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
		ready:  make(chan net.Conn),
		failed: make(chan error, 1),
		most:   most,
		slots:  make(chan struct{}, reckoning),
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
	slots   chan struct{} // one for each handshake that does not wait for its peer
	open    context.Context
	stop    context.CancelFunc // of open
	working sync.WaitGroup

	mu      sync.Mutex // guards what follows
	most    int        // in running
	running list.List  // of context.CancelFunc, each that of a handshake under way; the oldest first
}

func (l *listener) run() {
	for {
		nc, err := l.Listener.Accept()
		if err == nil {
			ctx, end := l.begin()
			l.working.Go(func() { l.handshake(ctx, end, nc) })
			continue
		}
		select {
		case l.failed <- err:
		case <-l.open.Done():
			return
		}
	}
}

// begin makes room for a handshake, which ends with ctx, and calls end when it has ended.
func (l *listener) begin() (ctx context.Context, end func()) {
	ctx, cancel := context.WithTimeout(l.open, handshakeTimeout)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running.Len() >= l.most {
		l.running.Remove(l.running.Front()).(context.CancelFunc)()
	}
	at := l.running.PushBack(cancel)
	return ctx, func() {
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running.Remove(at) // nothing if another has taken its place
	}
}

func (l *listener) handshake(ctx context.Context, end func(), nc net.Conn) {
	beneath := &Shim{Conn: nc, slots: l.slots}
	secure := tls.Server(beneath, l.config)
	beneath.tls = secure
	beneath.reclaim()
	err := secure.HandshakeContext(ctx)
	beneath.yield()
	beneath.slots = nil
	end()
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
