// What a subscription has not been handed yet, because it is being recovered or its client reads too slowly; and how it
// catches up with the others.

package hub

import (
	"context"
	"time"
)

// waiting is what a subscription that is behind will be handed: first values; then, if next is set, what history holds from that
// offset on, until that is all; otherwise what has gathered in the backlog.
type waiting struct {
	values  []*Publication
	next    uint64
	backlog *backlog
}

// page is how many publications are read from history, and handed over, at a time.
const page = 128

const (
	// replayPause is how long a subscription waits before it tries once more to read from history, the first time, and maxReplayPause at most.
	replayPause, maxReplayPause = 100 * time.Millisecond, 400 * time.Millisecond
	// replayTries is how often it tries at least, and replayPatience for how long while nothing new comes, as is so when the broker is away.
	replayTries    = 4
	replayPatience = 30 * time.Second
)

// fellBehind is called when a receiver that was up to date is late: where the rule lets publications be dropped, what comes now
// gathers until it is ready. m is the subscription's own. Called with the channel's lock.
func (sub *subscription) fellBehind(m *member) {
	if rule := sub.channel.rule; rule.Slow != Disconnect {
		m.from = behind
		sub.waiting = &waiting{backlog: newBacklog(rule, sub.channel.tally)}
	}
}

// missed is called for each publication while the subscription is behind. One that reads from history will find it there.
// Called with the channel's lock.
func (sub *subscription) missed(p *Publication) {
	if sub.waiting.next == 0 {
		sub.waiting.backlog.add(p)
	}
}

// skipped is called while the subscription is behind for offsets that nobody will be handed. One that reads from history will
// see it there. Called with the channel's lock.
func (sub *subscription) skipped(from, to uint64) {
	if sub.waiting.next == 0 {
		sub.waiting.backlog.skip(from, to)
	}
}

// lag is how many publications are held back.
func (sub *subscription) lag() int {
	ch := sub.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	w := sub.waiting
	switch {
	case w == nil:
		return 0
	case w.next != 0:
		return len(w.values) + int(ch.position.Offset+1-min(w.next, ch.position.Offset+1))
	}
	return len(w.values) + w.backlog.len()
}

// reads tells whether what it waits for is to be read from history.
func (sub *subscription) reads() bool {
	sub.channel.mu.Lock()
	defer sub.channel.mu.Unlock()
	return sub.waiting != nil && sub.waiting.next != 0
}

// begin is catchUp for who is about to tell its client that it is subscribed: what a broker beyond a network does not give at once follows later.
func (h *Hub) begin(sub *subscription) {
	if _, later := h.handOn(sub, 1); later {
		h.work(func() { h.catchUp(sub) })
	}
}

// catchUp hands a subscription what it waits for, until it is up to date or its receiver takes no more, which it reports.
func (h *Hub) catchUp(sub *subscription) (late bool) {
	late, _ = h.handOn(sub, replayTries)
	return late
}

// handOn is catchUp. With one try at history it leaves the rest for later if that fails.
func (h *Hub) handOn(sub *subscription, tries int) (late, later bool) {
	ch := sub.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.pumping {
		return false, false
	}
	sub.pumping = true
	defer func() { sub.pumping = false }()
	for sub.waiting != nil {
		more, late := sub.handOver() // up to where history is needed
		if !more {
			return late, false
		}
		w := sub.waiting
		ch.mu.Unlock()
		history, err := h.replay(sub, w, tries)
		ch.mu.Lock()
		if err != nil && tries == 1 && h.broker.Remote() {
			return false, true
		}
		if err != nil && sub.waiting == w {
			h.log.Warn("recovery from history failed; subscribers are told of a gap", "channel", ch.name, "cause", err)
		}
		if sub.waiting == w { // otherwise the channel was renumbered meanwhile, or left
			sub.refill(history)
		}
	}
	return false, false
}

// replay reads the page of history that a subscription waits for, and tries it again where the broker is beyond a network, unless one try is all.
func (h *Hub) replay(sub *subscription, w *waiting, most int) (history History, err error) {
	ch, began := sub.channel, time.Now()
	first, _ := sub.waitsAt(w)
	for tries, pause := 1, replayPause; ; tries, pause = tries+1, min(2*pause, maxReplayPause) {
		top, still := sub.waitsAt(w) // before history is asked: what comes while that fails may come because the broker is back
		if !still {
			return History{}, err
		}
		ctx, cancel := context.WithTimeout(h.ctx, healTimeout)
		history, err = h.broker.History(ctx, ch.name, Query{After: w.next - 1, Limit: page, Retention: ch.rule.History})
		cancel()
		if err == nil || most == 1 || !h.broker.Remote() {
			return history, err
		}
		if tries >= most && (top != first || time.Since(began) >= replayPatience) {
			return History{}, err
		}
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
			return History{}, err
		}
	}
}

// waitsAt is where the channel is, and whether the subscription still waits for the same.
func (sub *subscription) waitsAt(w *waiting) (top Position, still bool) {
	sub.channel.mu.Lock()
	defer sub.channel.mu.Unlock()
	return sub.channel.position, sub.waiting == w
}

// handOver hands over what is at hand, and reports whether more is to be read from history now, or else whether the receiver takes
// no more. Called with the channel's lock.
func (sub *subscription) handOver() (more, late bool) {
	ch, w := sub.channel, sub.waiting
	for i, p := range w.values {
		ch.tally.caughtUp.Add(1)
		if sub.receive(p) != Taken {
			w.values = w.values[i+1:]
			sub.readEnough()
			return false, true
		}
	}
	w.values = nil
	if w.next != 0 {
		if w.next <= ch.position.Offset {
			return true, false
		}
		sub.upToDate(w.next)
		return false, false
	}
	for {
		p, gap := w.backlog.next()
		if gap.To != 0 {
			sub.tellGap(gap.From, gap.To)
			continue
		}
		if p == nil {
			sub.upToDate(ch.position.Offset + 1)
			return false, false
		}
		ch.tally.caughtUp.Add(1)
		if sub.receive(p) != Taken {
			return false, true
		}
	}
}

// readEnough ends reading from history once nothing newer is there: what comes gathers instead, where the rule lets publications
// be dropped. Called with the channel's lock when the receiver is late.
func (sub *subscription) readEnough() {
	ch, w := sub.channel, sub.waiting
	if w.next > ch.position.Offset && ch.rule.Slow != Disconnect {
		w.next, w.backlog = 0, newBacklog(ch.rule, ch.tally)
	}
}

// refill takes a page of history. What history does not hold any more is a gap. Called with the channel's lock.
func (sub *subscription) refill(history History) {
	ch, w := sub.channel, sub.waiting
	lost := history.Lost
	if history.Top.Epoch != ch.position.Epoch || lost == 0 && len(history.Publications) == 0 {
		history.Publications, lost = nil, ch.position.Offset+1-w.next
	}
	if lost > 0 {
		sub.tellGap(w.next, w.next+lost-1)
		w.next += lost
	}
	if w.values = history.Publications; len(w.values) > 0 {
		w.next = w.values[len(w.values)-1].Offset + 1
	}
}

func (sub *subscription) tellGap(from, to uint64) {
	sub.channel.tally.gaps.Add(1)
	sub.notify(&Notice{Type: Gap, Channel: sub.channel.name,
		Position: Position{sub.channel.position.Epoch, to}, From: from, To: to})
}

// upToDate has the subscription handed what comes from an offset on. Called with the channel's lock.
func (sub *subscription) upToDate(from uint64) {
	sub.channel.members[sub.at].from = from
	sub.waiting = nil
}
