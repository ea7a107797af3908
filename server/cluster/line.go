// A line: what one part of a program tells and asks the same part of it on other nodes.

package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Line is what package gateway/socketio wants of a cluster. Make one with [Cluster.Line].
type Line struct {
	cluster   *Cluster
	kind, ask string

	mu      sync.Mutex // held while receive is called
	receive func(message []byte)

	started sync.RWMutex // guards what follows
	answer  func(ctx context.Context, question []byte, part func([]byte) error) error
}

var errNotStarted = errors.New("this part of the node is just starting")

// Line returns the line of a name, on which the same part of other nodes is heard. It is called before the hub is made.
//
//	c := cluster.New(broker, cluster.Options{})
//	line := c.Line("socketio")
//	h, err := hub.New(hub.Options{Broker: c})
//	…
//	server, err := socketio.New(h, socketio.Options{Cluster: line})
func (c *Cluster) Line(name string) *Line {
	l := &Line{cluster: c, kind: "line/" + name, ask: "ask/" + name}
	c.Handle(l.kind, func(_ context.Context, _ string, body []byte) ([]byte, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.receive != nil {
			l.receive(body)
		}
		return nil, nil
	})
	c.HandleParts(l.ask, func(ctx context.Context, _ string, body []byte, part func([]byte) error) error {
		l.started.RLock()
		answer := l.answer
		l.started.RUnlock()
		if answer == nil {
			return errNotStarted
		}
		return answer(ctx, body, part)
	})
	return l
}

// Start has receive called for each message that another node sends, one at a time; while it waits, what else other nodes tell this one waits, too. answer is
// called for each question, on a goroutine of its own, once receive has returned for what came before it.
func (l *Line) Start(receive func(message []byte), answer func(ctx context.Context, question []byte, part func([]byte) error) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receive = receive
	l.started.Lock()
	defer l.started.Unlock()
	l.answer = answer
	return nil
}

// Node is this node's name.
func (l *Line) Node() string { return l.cluster.Node() }

// Others are the names of the other nodes that live, sorted.
func (l *Line) Others(ctx context.Context) ([]string, error) { return l.cluster.Others(ctx) }

// Send sends a message to all other nodes. It waits for the broker, for as long as [Cluster.Ask] would.
func (l *Line) Send(message []byte) error {
	ctx, cancel := context.WithTimeout(l.cluster.ctx, l.cluster.options.Timeout)
	defer cancel()
	return l.cluster.Send(ctx, "", l.kind, message)
}

// Ask is [Cluster.AskParts] on this line. If another node has this one's name, which nobody can ask, that is missing, too.
func (l *Line) Ask(ctx context.Context, nodes []string, question []byte, part func(node string, part []byte) (goOn bool)) (missing []string) {
	missing = l.cluster.AskParts(ctx, nodes, l.ask, question, part)
	if there, _ := l.cluster.Namesake(); there {
		missing = append(missing, l.Node())
		slices.Sort(missing)
	}
	return missing
}
