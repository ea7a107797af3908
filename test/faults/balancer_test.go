//go:build linux

// A balancer that knows nothing of sessions, nor whether a node is well.

package faults

import (
	"io"
	"net"
	"sync"
	"testing"
)

// balancer hands each connection to the next node, whoever it is from.
type balancer struct {
	listener net.Listener
	working  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	nodes   []string
	next    int
	open    map[net.Conn]struct{}
	stopped bool
}

func balance(t *testing.T, nodes ...*process) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, open: make(map[net.Conn]struct{})}
	for _, n := range nodes {
		b.nodes = append(b.nodes, n.address)
	}
	b.working.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.working.Go(func() { b.relay(c) })
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *balancer) address() string { return b.listener.Addr().String() }

func (b *balancer) stop() {
	b.listener.Close()
	b.mu.Lock()
	b.stopped = true
	for c := range b.open {
		c.Close()
	}
	b.mu.Unlock()
	b.working.Wait()
}

// keep notes a connection, and reports whether it may go on.
func (b *balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[c] = struct{}{}
	return !b.stopped
}

func (b *balancer) drop(c net.Conn) {
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

// dial connects to the next node that is there.
func (b *balancer) dial() net.Conn {
	for range b.nodes {
		b.mu.Lock()
		address := b.nodes[b.next%len(b.nodes)]
		b.next++
		b.mu.Unlock()
		if c, err := net.Dial("tcp", address); err == nil {
			return c
		}
	}
	return nil
}

func (b *balancer) relay(client net.Conn) {
	defer b.drop(client)
	node := b.dial()
	if node == nil {
		return
	}
	defer b.drop(node)
	if !b.keep(client) || !b.keep(node) {
		return
	}
	copied := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, node}, {node, client}} {
		go func() {
			io.Copy(pair[0], pair[1])
			pair[0].(*net.TCPConn).CloseWrite()
			copied <- struct{}{}
		}()
	}
	<-copied
	<-copied
}
