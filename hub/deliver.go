// What the broker tells the hub: publications in order, and that some may have been lost, which the hub heals from history.

package hub

import (
	"context"
	"time"
)

// healing is a hole in what the broker delivered, being filled from history. What is delivered meanwhile waits for it.
type healing struct{ held []*Publication }

const (
	// maxHeld is how many publications wait for a hole to be filled; more of them are a hole themselves.
	maxHeld = 4096
	// healTimeout is how long the history may take.
	healTimeout = 10 * time.Second
)

// Deliver implements [Sink].
func (h *Hub) Deliver(p *Publication) {
	ch := h.channel(p.Channel)
	if ch == nil {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch {
	case ch.healing != nil:
		if len(ch.healing.held) < maxHeld {
			ch.healing.held = append(ch.healing.held, p)
		}
	case ch.known && p.Epoch == ch.position.Epoch && p.Offset > ch.position.Offset+1:
		h.heal(ch, p)
	default:
		ch.next(p)
	}
}

// next hands p out if it is new; what lies between it and the one before is a gap. Called with the channel's lock.
func (ch *channel) next(p *Publication) {
	switch {
	case !ch.known:
		ch.known = true
	case p.Epoch != ch.position.Epoch:
		ch.renumber(p)
	case p.Offset <= ch.position.Offset:
		return
	case p.Offset > ch.position.Offset+1:
		ch.skip(p.Offset - 1)
	}
	ch.fanOut(p)
}

// skip tells everybody that what comes up to an offset is lost. Called with the channel's lock.
func (ch *channel) skip(to uint64) {
	n := Notice{Type: Gap, From: ch.position.Offset + 1, To: to}
	ch.position.Offset = to
	n.Position = ch.position
	ch.tell(&n, false)
}

// renumber begins anew: the broker has lost the old numbering, and nobody knows what with it. Called with the channel's lock.
func (ch *channel) renumber(p *Publication) {
	ch.tell(&Notice{Type: Gap, Position: Position{p.Epoch, p.Offset - 1}, To: p.Offset - 1}, false)
	for i := range ch.members {
		m := &ch.members[i]
		m.from = 0
		m.waiting = waiting{pumping: m.waiting.pumping}
	}
}

// Interrupted implements [Sink].
func (h *Hub) Interrupted(name string) {
	if name != "" {
		if ch := h.channel(name); ch != nil {
			h.doubt(ch)
		}
		return
	}
	for i := range h.shards {
		for _, ch := range h.shards[i].all() {
			h.doubt(ch)
		}
	}
}

func (h *Hub) doubt(ch *channel) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.healing == nil && ch.known {
		h.heal(ch)
	}
}

// heal begins to read from history what comes after the channel's position. Called with the channel's lock.
func (h *Hub) heal(ch *channel, held ...*Publication) {
	ch.healing = &healing{held: held}
	started := h.work(func() {
		history := h.missing(ch)
		ch.mu.Lock()
		defer ch.mu.Unlock()
		ch.healed(history)
	})
	if !started { // the hub shuts down
		ch.healing = nil
	}
}

// missing reads what lies between the channel's position and where the broker is. Only the healing changes the position.
func (h *Hub) missing(ch *channel) (all History) {
	ctx, cancel := context.WithTimeout(h.ctx, healTimeout)
	defer cancel()
	ch.mu.Lock()
	after := ch.position.Offset
	ch.mu.Unlock()
	for {
		history, err := h.broker.History(ctx, ch.name, Query{After: after, Limit: page, Retention: ch.rule.History})
		if err != nil {
			h.log.Warn("publications were lost on the way from the broker, and its history cannot be read; subscribers are told of a gap",
				"channel", ch.name, "cause", err)
			return all
		}
		if all.Top = history.Top; len(history.Publications) == 0 {
			return all
		}
		all.Publications = append(all.Publications, history.Publications...)
		after = history.Publications[len(history.Publications)-1].Offset
		if len(all.Publications) >= maxHeld || after >= history.Top.Offset {
			return all
		}
	}
}

// healed hands out what was read, then what came meanwhile. Called with the channel's lock.
func (ch *channel) healed(history History) {
	held := ch.healing.held
	ch.healing = nil
	for _, p := range history.Publications {
		ch.next(p)
	}
	for _, p := range held {
		ch.next(p)
	}
	if top := history.Top; top.Epoch == ch.position.Epoch && top.Offset > ch.position.Offset {
		ch.skip(top.Offset) // nothing will come that would show it
	}
}
