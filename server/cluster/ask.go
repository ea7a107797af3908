// Asking: a question goes to some nodes, and each answers, at once or in parts.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PartsHandler answers what another node asks, by as many parts as it likes, and for as long as it likes: ctx ends only when the node does, so it
// is to bound itself. It is called once all that came before the question was handled that others have told. part sends one, and waits for the broker. After an error the asker counts the node among those that have not answered.
type PartsHandler func(ctx context.Context, from string, body []byte, part func([]byte) error) error

// HandleParts is Handle for questions that are put by [Cluster.AskParts].
func (c *Cluster) HandleParts(kind string, h PartsHandler) { c.handlers[kind] = handler{parts: h} }

// maxParts is how many parts of answers to one question may wait for who has asked; of a node of which more come it is said that it has not answered.
const maxParts = 1024

// question is one that was put to some nodes.
type question struct {
	pieces  chan piece      // has room for maxParts, and for the end of each answer
	waiting map[string]bool // the nodes that have not answered to the end; guarded by the cluster's lock, like what follows
	lost    map[string]bool // those of which a part found no room
}

// piece is a part of an answer, or its end.
type piece struct {
	Answer
	more bool
}

// AskParts puts a question to some nodes, and calls part for each part of their answers, on this goroutine, until all have answered to the end, part
// returns false, or ctx is over, which it should be some day. A node from which nothing comes for Options.Timeout is not waited for any longer.
// missing are those that have not answered to the end, sorted; the log knows why.
func (c *Cluster) AskParts(ctx context.Context, nodes []string, kind string, body []byte, part func(node string, part []byte) (goOn bool)) (missing []string) {
	to := ""
	switch len(nodes) {
	case 0:
		return nil
	case 1:
		to = nodes[0]
	}
	outstanding := make(map[string]bool, len(nodes))
	for _, name := range nodes {
		outstanding[name] = true
	}
	enough := false
	err := c.converse(ctx, to, nodes, kind, body, func(p piece) bool {
		switch {
		case p.more:
			enough = !part(p.Node, p.Body)
			return !enough
		case p.Err == nil:
			delete(outstanding, p.Node)
		default:
			c.complain("asking "+p.Node+" for "+kind, p.Err)
		}
		return true
	})
	if err != nil && !enough {
		c.complain("asking "+strings.Join(nodes, ", ")+" for "+kind, err)
	}
	for name := range outstanding {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	return missing
}

// put asks, and returns an answer of each of the names, sorted by them.
func (c *Cluster) put(ctx context.Context, to string, names []string, kind string, body []byte) []Answer {
	var all []Answer
	err := c.converse(ctx, to, names, kind, body, func(p piece) bool {
		if !p.more {
			all = append(all, p.Answer)
		}
		return true
	})
	for _, name := range names {
		if !slices.ContainsFunc(all, func(a Answer) bool { return a.Node == name }) {
			all = append(all, Answer{Node: name, Err: err})
		}
	}
	slices.SortFunc(all, func(a, b Answer) int { return strings.Compare(a.Node, b.Node) })
	return all
}

var errSilent = errors.New("no answer came in time")

// converse asks, and hears what comes until all have answered to the end or hear returns false. The error says why some have not answered.
func (c *Cluster) converse(ctx context.Context, to string, names []string, kind string, body []byte, hear func(piece) bool) error {
	q := &question{pieces: make(chan piece, len(names)+maxParts), waiting: make(map[string]bool, len(names)), lost: make(map[string]bool)}
	for _, name := range names {
		q.waiting[name] = true
	}
	id := c.enlist(q)
	defer c.forget(id)
	if err := c.send(ctx, to, message{act: asking, id: id, kind: kind, body: body}); err != nil {
		return err
	}
	silent := make(map[string]bool, len(names)) // nothing came of them
	for _, name := range names {
		silent[name] = true
	}
	patience := time.NewTimer(c.options.Timeout)
	defer patience.Stop()
	left, given := len(names), 0
	take := func(p piece) (goOn bool) {
		if silent[p.Node] {
			delete(silent, p.Node)
			given = min(given, len(silent))
		}
		if !p.more {
			left--
		}
		return hear(p)
	}
	for left > given {
		select {
		case p := <-q.pieces:
			if !take(p) {
				return nil
			}
		case <-patience.C:
			if !q.rest(take) {
				return nil
			}
			given = len(silent)
		case <-ctx.Done():
			if !q.rest(take) || left == 0 {
				return nil
			}
			return fmt.Errorf("%w: %w", errSilent, ctx.Err())
		case <-c.ctx.Done():
			return errors.New("this node shuts down")
		}
	}
	if len(silent) > 0 {
		return errSilent
	}
	return nil
}

// rest has what has come by now be heard, and reports false once hear does.
func (q *question) rest(hear func(piece) bool) bool {
	for {
		select {
		case p := <-q.pieces:
			if !hear(p) {
				return false
			}
		default:
			return true
		}
	}
}

func (c *Cluster) enlist(q *question) (id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.asked[c.last] = q
	return c.last
}

func (c *Cluster) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, id)
}

var errParts = errors.New("more parts came of it than were taken")

// take gives an answer, or a part of one, to whoever has asked. One that is late, or was not asked for, is nobody's.
func (c *Cluster) take(from string, m message) {
	p := piece{Answer{Node: from}, m.act == parted}
	switch m.status {
	case done:
		p.Body = m.body
	case unknown:
		p.Err = ErrUnknown
	case busy:
		p.Err = ErrBusy
	default:
		p.Err = fmt.Errorf("it says: %.300s", m.body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.asked[m.id]
	switch {
	case q == nil || !q.waiting[from]:
		return
	case p.more && len(q.pieces) >= maxParts:
		q.lost[from] = true
		return
	case !p.more:
		delete(q.waiting, from)
		if q.lost[from] && p.Err == nil {
			p.Err = errParts
		}
	}
	q.pieces <- p
}
