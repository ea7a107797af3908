// Hearing: what comes from other nodes finds its handler, or the question that it answers.

package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/hub"
)

// maxTold is how many messages without an answer, and questions that are answered in parts, wait for their handlers; what does not fit is lost, as it may be on the way.
const maxTold = 1024

// ear is the sink of the broker: the hub's, and ours for what nodes say.
type ear struct {
	hub.Sink
	cluster *Cluster
}

// told is a message that was told.
type told struct {
	from string
	message
}

// Interrupted implements [hub.Sink].
func (e ear) Interrupted(channel string) {
	e.Sink.Interrupted(channel)
	if channel == "" {
		e.cluster.doubt()
	}
}

// Unheard implements [hub.ClusterSink].
func (e ear) Unheard() { e.cluster.doubt() }

// Told implements [hub.ClusterSink]. What cannot be read, or is of a kind that only later versions know, is passed over.
func (e ear) Told(from string, text []byte) {
	c := e.cluster
	m, err := parse(text)
	if err != nil {
		c.complain("reading what "+from+" says", err)
		return
	}
	switch {
	case m.act == telling && m.kind == claim:
		if from == c.Node() {
			c.claimed(m.body)
		}
	case m.act == telling, m.act == asking && c.handlers[m.kind].parts != nil:
		select {
		case c.tales <- told{from, m}:
		default:
			c.complain("hearing "+from, errors.New("more is told than this node can take"))
			c.doubt()
		}
	case m.act == asking:
		c.answer(from, m)
	case m.act == answered, m.act == parted:
		c.take(from, m)
	}
}

// hear has what was told handled, in the order in which it came, and begins to answer questions that are answered in parts when what was told before them
// has been handled.
func (c *Cluster) hear() {
	for {
		select {
		case t := <-c.tales:
			if t.act == asking {
				c.answer(t.from, t.message)
			} else if h := c.handlers[t.kind].whole; h != nil {
				if _, err := c.handle(h, t.from, t.message); err != nil {
					c.complain("doing what "+t.from+" says", err)
				}
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// handle has a message handled, and survives a handler that panics: another version may say what nobody thought of.
func (c *Cluster) handle(h Handler, from string, m message) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, answering)
	defer cancel()
	defer survive(m.kind, &err)
	return h(ctx, from, m.body)
}

// handleParts is handle for what is answered in parts, for as long as that takes.
func (c *Cluster) handleParts(h PartsHandler, from string, m message) (err error) {
	defer survive(m.kind, &err)
	return h(c.ctx, from, m.body, func(part []byte) error {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
		defer cancel()
		return c.send(ctx, from, message{act: parted, id: m.id, body: part})
	})
}

// survive is deferred: a panic is the error of the handler.
func survive(kind string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the handler of %.60q panicked: %v", kind, r)
	}
}

// answer answers a question on a goroutine of its own.
func (c *Cluster) answer(to string, m message) {
	h := c.handlers[m.kind]
	a := message{act: answered, id: m.id}
	places := c.busy
	if h.parts != nil {
		places = c.long
	}
	if h.whole == nil && h.parts == nil {
		a.status = unknown
	} else {
		select {
		case places <- struct{}{}:
		default:
			a.status = busy
		}
	}
	taken := a.status == done
	started := c.work(func() {
		if taken {
			var err error
			if h.parts != nil {
				err = c.handleParts(h.parts, to, m)
			} else {
				a.body, err = c.handle(h.whole, to, m)
			}
			if err != nil {
				a.status, a.body = failed, []byte(err.Error())
			} else if n := len(a.body); n > maxBody { // who asks need not wait for what cannot be sent
				a.status, a.body = failed, fmt.Appendf(nil, "its answer has %d bytes, and at most %d can be sent; ask for less at a time", n, maxBody)
			}
			<-places
		}
		ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
		defer cancel()
		if err := c.send(ctx, to, a); err != nil {
			c.complain("answering "+to, err)
		}
	})
	if !started && taken {
		<-places
	}
}
