// The event loops of a server together: how connections come to them.

package loop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/epoll"
	"github.com/ringdown/ringdown/websocket/internal/tlsshim"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
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
	nc, shim := u.NetConn, tlsshim.Of(u.NetConn)
	if shim != nil {
		nc = shim.Conn
	}
	fd, remote, ok := epoll.Take(nc) // not of other TLS: its tls.Conn cannot be told to take its bytes from us
	if !ok {
		return false
	}
	l := p.all[p.turn.Add(1)%uint32(len(p.all))]
	c := new(Conn)
	c.place.fd = fd
	adopted := false
	defer func() {
		if !adopted { // ready has panicked
			c.CloseNow()
			c.mu.Lock()
			c.place.fd = -1
			c.mu.Unlock()
			epoll.Close(fd)
		}
	}()
	if len(u.Early) > 0 {
		c.needRare().rest = u.Early
	}
	if remote != nil {
		c.needRare().remote = remote
	}
	if shim != nil {
		shim.TakeOver()
		c.needRare().tls = shim
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

func (p *loops) tick(now wheel.Tick) {
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

func (p *loops) lag(ctx context.Context) time.Duration {
	asked := time.Now()
	reached := make(chan struct{}, len(p.all))
	for _, l := range p.all {
		l.do(func() { reached <- struct{}{} })
	}
	for range p.all {
		select {
		case <-reached:
		case <-ctx.Done():
			return time.Since(asked)
		}
	}
	return time.Since(asked)
}

func (p *loops) close() {
	for _, l := range p.all {
		l.do(func() { l.stopped = true })
	}
}
