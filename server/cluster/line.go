// A line: a kind of message that one part of a program has for itself on all nodes.

package cluster

import (
	"context"
	"sync"
)

// Line is what package gateway/socketio wants of a cluster, and others that only tell. Make one with [Cluster.Line].
type Line struct {
	cluster *Cluster
	kind    string

	mu      sync.Mutex // guards what follows; held while receive is called
	receive func(message []byte)
}

// Line returns the line of a name, on which the same part of other nodes is heard. It is called before the hub is made.
//
//	c := cluster.New(broker, cluster.Options{})
//	line := c.Line("socketio")
//	h, err := hub.New(hub.Options{Broker: c})
//	…
//	server, err := socketio.New(h, socketio.Options{Cluster: line})
func (c *Cluster) Line(name string) *Line {
	l := &Line{cluster: c, kind: "line/" + name}
	c.Handle(l.kind, func(_ context.Context, _ string, body []byte) ([]byte, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.receive != nil {
			l.receive(body)
		}
		return nil, nil
	})
	return l
}

// Start has receive called for each message of another node, one at a time; while it waits, what else other nodes tell this one waits, too.
func (l *Line) Start(receive func(message []byte)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receive = receive
	return nil
}

// Send sends a message to all other nodes. It waits for the broker, for as long as Ask would.
func (l *Line) Send(message []byte) error {
	ctx, cancel := context.WithTimeout(l.cluster.ctx, l.cluster.options.Timeout)
	defer cancel()
	return l.cluster.Send(ctx, "", l.kind, message)
}
