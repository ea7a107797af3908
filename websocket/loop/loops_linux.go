// The event loops of a server together: how connections come to them.

package loop

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"golang.org/x/sys/unix"
)

// loops is the poller of Linux.
type loops struct {
	server *Server
	all    []*loop
	turn   atomic.Uint32 // for spreading connections
}

func newPoller(s *Server) (poller, error) {
	p := &loops{server: s}
	for range s.opts.Loops {
		l, err := newLoop(s)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("websocket: starting an event loop: %w", err)
		}
		p.all = append(p.all, l)
		s.running.Go(l.run)
	}
	return p, nil
}

// adopt takes the descriptor out of package net, to be rid of the net.Conn and its share of Go's poller.
func (p *loops) adopt(u *bridge.Upgraded, ready func(*Conn)) bool {
	nc := u.NetConn
	secure, _ := nc.(*tls.Conn)
	var beneath *shim
	if secure != nil {
		var ours bool
		if beneath, ours = secure.NetConn().(*shim); !ours {
			return false // its tls.Conn cannot be told to take its bytes from us
		}
		nc = beneath.Conn
	}
	fd, ok := takeFD(nc)
	if !ok {
		return false
	}
	l := p.all[p.turn.Add(1)%uint32(len(p.all))]
	c := new(Conn)
	c.place.fd = int32(fd)
	adopted := false
	defer func() {
		if !adopted { // ready has panicked
			c.CloseNow()
			c.mu.Lock()
			c.place.fd = -1
			c.mu.Unlock()
			unix.Close(fd)
		}
	}()
	if len(u.Early) > 0 {
		c.more().rest = u.Early
	}
	if secure != nil {
		beneath.Conn, beneath.looped = nil, true
		c.more().tls, c.more().shim = secure, beneath
	}
	c.init(p.server, l, u)
	c.queued = true // what ready does must not bring the loop to it yet
	if ready != nil {
		ready(c)
	}
	adopted = true
	l.wake(c)
	return true
}

// takeFD duplicates the descriptor of a TCP or Unix connection and closes the original.
func takeFD(nc net.Conn) (fd int, ok bool) {
	var socket syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		socket = nc
	case *net.UnixConn:
		socket = nc
	default:
		return 0, false // a wrapper, whose Read and Write would be passed by
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, false
	}
	var dupErr error
	if err := raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return 0, false
	}
	nc.Close()
	return fd, true
}

func (p *loops) tick(now tick) {
	for _, l := range p.all {
		l.tick(now)
	}
}

func (p *loops) each(ctx context.Context, f func(*Conn)) {
	var wg sync.WaitGroup
	for _, l := range p.all {
		wg.Add(1)
		l.do(func() {
			defer wg.Done()
			for _, c := range l.conns {
				if c != nil {
					f(c)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (p *loops) close() {
	for _, l := range p.all {
		l.do(func() { l.stopped = true })
	}
}
