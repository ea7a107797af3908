// What the broker tells the hub: publications in order, and that some may have been lost, which the hub heals from history.

package hub

import (
	"context"
	"time"
)

// healing is a hole in what the broker delivered, being filled from history. What is delivered meanwhile waits for it.
type healing struct {
	epoch string // in which the hole is
	held  []*Publication
	again bool          // more than can be held has come, or another interruption
	pause time.Duration // after which it is tried again if history cannot be read now
}

const (
	// maxHeld is how many publications wait for a hole to be filled; more of them are a hole themselves.
	maxHeld = 4096
	// healTimeout is how long the history may take.
	healTimeout = 10 * time.Second
	// healPatience is for how long history that cannot be read is asked again before what it may hold is told as a gap; the channel is
	// silent so long. The pauses between grow from the first to the longest.
	healPatience                 = 10 * time.Second
	firstReadPause, maxReadPause = 100 * time.Millisecond, 2 * time.Second
	// After a failure healing is tried again, later each time, as long as the channel has members.
	firstHealPause, maxHealPause = time.Second, time.Minute
	// healers is how many channels read from history at the same time, so that a broker which comes back is not asked for all at once.
	healers = 16
)

// sink is the hub as its broker sees it.
type sink struct{ *Hub }

// Deliver implements [Sink].
func (h sink) Deliver(p *Publication) {
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
		} else {
			ch.healing.again = true
		}
	case ch.known && p.Epoch == ch.position.Epoch && p.Offset > ch.position.Offset+1:
		h.heal(ch, firstHealPause, p)
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
		ch.renumber(Position{p.Epoch, p.Offset - 1})
	case p.Offset <= ch.position.Offset:
		return
	case p.Offset > ch.position.Offset+1:
		ch.skip(p.Offset - 1)
	}
	ch.fanOut(p)
}

// skip has everybody told that what comes up to an offset is lost. Called with the channel's lock.
func (ch *channel) skip(to uint64) {
	from := ch.position.Offset + 1
	ch.position.Offset = to
	for i := range ch.members {
		switch m := &ch.members[i]; {
		case m.from == behind:
			m.skipped(from, to)
		case m.from <= to:
			m.tellGap(max(m.from, from), to)
		}
	}
}

// renumber begins anew after a position of another numbering: the broker has lost the old one, and nobody knows what with it.
// Called with the channel's lock.
func (ch *channel) renumber(position Position) {
	ch.position = position
	for i := range ch.members {
		m := &ch.members[i]
		m.from = 0
		m.waiting = nil
		m.tellGap(0, position.Offset)
	}
}

// Interrupted implements [Sink].
func (h sink) Interrupted(name string) {
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
	switch {
	case ch.healing != nil:
		ch.healing.again = true // what was read may be from before
	case ch.known:
		h.heal(ch, firstHealPause)
	}
}

// heal begins to read from history what comes after the channel's position. Called with the channel's lock.
func (h *Hub) heal(ch *channel, pause time.Duration, held ...*Publication) {
	h.totals.heals.Add(1)
	ch.healing = &healing{epoch: ch.position.Epoch, held: held, pause: pause}
	started := h.work(func() {
		top := h.readMissing(ch)
		ch.mu.Lock()
		defer ch.mu.Unlock()
		h.healed(ch, top)
	})
	if !started { // the hub shuts down
		ch.healing = nil
	}
}

// readMissing hands out what history holds after the channel's position. Where a gap would have to be told because history cannot be
// read, it is read again for healPatience, without keeping other channels from theirs. It returns where the broker is, or nothing if
// that cannot be had.
func (h *Hub) readMissing(ch *channel) (top Position) {
	began := time.Now()
	for pause := firstReadPause; ; pause = min(2*pause, maxReadPause) {
		h.healers <- struct{}{}
		top, err := h.handOutMissing(ch)
		<-h.healers
		if err == nil {
			return top
		}
		lacking, worthwhile := ch.lacking()
		switch {
		case !lacking:
			h.log.Warn("publications may have been lost on the way from the broker, and its history cannot be read; it is tried again",
				"channel", ch.name, "cause", err)
			return Position{}
		case !worthwhile, time.Since(began)+pause > healPatience:
			h.log.Warn("publications were lost on the way from the broker, and its history cannot be read; subscribers are told of a gap",
				"channel", ch.name, "cause", err)
			return Position{}
		}
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
			return Position{}
		}
	}
}

// lacking reports whether a gap lies before something that waits while the channel is being healed, and whether history may hold what is
// in it and somebody is there to hear.
func (ch *channel) lacking() (lacking, worthwhile bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	at := ch.position
	for _, p := range ch.healing.held {
		lacking = lacking || p.Epoch != at.Epoch || p.Offset > at.Offset+1
		at.Offset = max(at.Offset, p.Offset)
	}
	return lacking, ch.rule.History.Count > 0 && len(ch.members) > 0
}

// handOutMissing hands out, a page at a time, what history holds after the channel's position, which only the healing changes. It
// returns where the broker is.
func (h *Hub) handOutMissing(ch *channel) (top Position, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, healTimeout)
	defer cancel()
	ch.mu.Lock()
	at := ch.position
	ch.mu.Unlock()
	for {
		history, err := h.broker.History(ctx, ch.name, Query{After: at.Offset, Limit: page, Retention: ch.rule.History})
		if err != nil {
			return Position{}, err
		}
		if history.Top.Epoch != at.Epoch && at.Offset > 0 { // another numbering, all of which is new
			at = Position{Epoch: history.Top.Epoch}
			continue
		}
		if len(history.Publications) == 0 {
			return history.Top, nil
		}
		if at = ch.nextOf(history.Publications); at.Offset >= history.Top.Offset {
			return history.Top, nil
		}
	}
}

// nextOf hands a page of history out, and returns where the channel is then.
func (ch *channel) nextOf(all []*Publication) Position {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, p := range all {
		ch.next(p)
	}
	return ch.position
}

// healed hands out what came while history was read. Called with the channel's lock.
func (h *Hub) healed(ch *channel, top Position) {
	done, epoch := ch.healing, ch.position.Epoch
	ch.healing = nil
	for _, p := range done.held {
		if p.Epoch == done.epoch && top.Epoch != "" && top.Epoch != done.epoch {
			continue // of a numbering that is over; the gap of the new one covers it
		}
		ch.next(p)
	}
	// What history does not hold any more is lost, and nothing will come that would show it.
	switch {
	case top.Epoch == ch.position.Epoch && top.Offset > ch.position.Offset:
		ch.skip(top.Offset)
	case top.Epoch != "" && top.Epoch != epoch && ch.position.Epoch == epoch:
		ch.renumber(top)
	}
	switch {
	case top.Epoch == "":
		h.healLater(ch, done.pause)
	case done.again:
		h.heal(ch, firstHealPause)
	}
}

// healLater looks once more whether something was missed that no later publication shows. Called with the channel's lock.
func (h *Hub) healLater(ch *channel, pause time.Duration) {
	if ch.retry != nil {
		return
	}
	ch.retry = time.AfterFunc(pause, func() {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		ch.retry = nil
		if len(ch.members) > 0 && ch.known && ch.healing == nil && h.ctx.Err() == nil {
			h.heal(ch, min(2*pause, maxHealPause))
		}
	})
}
