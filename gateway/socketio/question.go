// Questions to sockets: an event that is to be answered, by sockets of this node and of the others.

package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
)

// EmitWithAck sends an event to the sockets that are addressed, on all nodes, and waits until all have answered, for as long as ctx and
// [Broadcast.Timeout] allow; if neither has a bound, for Options.AckTimeout. The replies are those that came, also where there is an error: [ErrTimeout];
// [ErrDisconnected], if a socket has gone meanwhile; [ErrTooManyAcks]; an [*Incomplete], which may be joined to one of them, if nodes have not
// answered; or what cannot be sent. The event is no publication: clients of other protocols, which could not answer, do not see it, and it is not
// kept for those that recover.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	n := b.namespace
	e, err := n.encoded(event, args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := n.server.bounded(ctx, b.timeout)
	defer cancel()
	elsewhere := make(chan outcome, 1)
	if b.alone() {
		elsewhere <- outcome{}
	} else {
		go func() { elsewhere <- b.askElsewhere(ctx, event, e) }() // for which this function waits
	}
	c := n.put(b.Sockets(), event, e)
	c.wait(ctx, nil)
	replies, all := c.end()
	others := <-elsewhere
	all.add(others.tally)
	return append(replies, others.replies...), errors.Join(all.problem(ctx.Err()), others.err)
}

// outcome is what has become of a question on other nodes.
type outcome struct {
	replies []Reply
	tally
	err error
}

// encoded is an event's arguments, if it can be sent.
func (n *Namespace) encoded(event string, args []any) (arguments, error) {
	if err := checkEvent(event); err != nil {
		return arguments{}, err
	}
	return encode(args, n.server.limits.Attachments)
}

// bounded is a context that ends: after a time-out, or that of the options if neither it nor ctx says when.
func (s *Server) bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); timeout == 0 && !bounded {
		timeout = s.options.AckTimeout
	}
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// put sends an event to sockets of this node under one id; their answers come to the call.
func (n *Namespace) put(sockets []*Socket, event string, e arguments) *call {
	c := newCall(n.server.ids.Add(1), sockets)
	m := engineio.Prepare(packetText(packet.Event, n.name, event, c.id, true, e, ""), e.attachments...)
	for _, s := range sockets {
		if !c.expect(s) {
			continue
		}
		if _, err := s.conn.engine.SendPrepared(m); err != nil && s.forget(c) { // otherwise the socket's end has been noted
			c.lose()
		}
	}
	c.count(-1)
	return c
}

// only waits for the answer of the one socket that was asked.
func (c *call) only(ctx context.Context) (Args, error) {
	c.wait(ctx, nil)
	replies, all := c.end()
	if len(replies) == 0 {
		return Args{}, all.problem(ctx.Err())
	}
	return replies[0].Args, nil
}

// askElsewhere puts a question to the sockets of other nodes.
func (b Broadcast) askElsewhere(ctx context.Context, event string, e arguments) (o outcome) {
	until, _ := ctx.Deadline()
	m := nodeMessage{Do: askSockets, Event: event, Text: e.text, Attachments: e.attachments, Wait: time.Until(until)}
	counts := make(map[string]tally)
	err := b.question(ctx, m, func(node string, a *nodeAnswer) {
		for _, r := range a.Replies {
			o.replies = append(o.replies, Reply{r.Socket, argsOf(r.Elements, r.Attachments)})
		}
		if a.Tally != nil { // comes first, and last
			counts[node] = *a.Tally
		}
	})
	for _, t := range counts {
		o.add(t)
	}
	o.Came = len(o.replies)                                    // whatever was lost between nodes
	if incomplete, ok := errors.AsType[*Incomplete](err); ok { // of those that are waiting for their sockets the counts tell
		incomplete.Nodes = slices.DeleteFunc(incomplete.Nodes, func(node string) bool { _, known := counts[node]; return known })
		if len(incomplete.Nodes) == 0 {
			err = nil
		}
	}
	o.err = err
	return o
}

// answerQuestion is what another node's askElsewhere asks for.
func (b Broadcast) answerQuestion(ctx context.Context, m *nodeMessage, part func(*nodeAnswer) error) error {
	ctx, cancel := context.WithTimeout(ctx, min(m.Wait, maxQuestion))
	defer cancel()
	sockets := b.Sockets()
	if err := part(&nodeAnswer{Tally: &tally{Asked: len(sockets)}}); err != nil || len(sockets) == 0 {
		return err
	}
	c := b.namespace.put(sockets, m.Event, arguments{m.Text, m.Attachments})
	c.wait(ctx, func(some []Reply) { passReplies(some, part) })
	rest, all := c.end()
	passReplies(rest, part)
	return part(&nodeAnswer{Tally: &all})
}

// maxQuestion is how long a node waits at most for answers that another one wants.
const maxQuestion = time.Hour

// passReplies sends answers to the node that wants them. Of what gets lost the counts tell.
func passReplies(replies []Reply, part func(*nodeAnswer) error) {
	inParts(replies, replySize, func(some []Reply) error {
		a := &nodeAnswer{}
		for _, r := range some {
			a.Replies = append(a.Replies, carriedReply{r.Socket, rawOf(r.elements), r.attachments})
		}
		return part(a)
	})
}

func replySize(r Reply) (size int) {
	for _, b := range r.elements {
		size += len(b)
	}
	for _, b := range r.attachments {
		size += len(b) * 4 / 3
	}
	return size
}

// Of sockets, and of answers of theirs, so many come in one message of another node, unless they are larger.
const (
	partCount = 256
	partBytes = 256 << 10
)

// inParts sends things in messages of some size. The error is the first one of send, which ends it.
func inParts[T any](all []T, size func(T) int, send func([]T) error) error {
	for len(all) > 0 {
		n, bytes := 0, 0
		for n < len(all) && n < partCount && (n == 0 || bytes+size(all[n]) <= partBytes) {
			bytes += size(all[n])
			n++
		}
		if err := send(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// carriedReply is a reply on its way between nodes.
type carriedReply struct {
	Socket      string            `json:"socket"`
	Elements    []json.RawMessage `json:"args"`
	Attachments [][]byte          `json:"attachments,omitempty"`
}

func rawOf(elements [][]byte) []json.RawMessage {
	raw := make([]json.RawMessage, len(elements))
	for i, e := range elements {
		raw[i] = e
	}
	return raw
}

func argsOf(raw []json.RawMessage, attachments [][]byte) Args {
	a := Args{attachments: attachments}
	for _, e := range raw {
		a.elements = append(a.elements, e)
	}
	return a
}
