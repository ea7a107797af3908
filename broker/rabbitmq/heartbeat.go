// The heartbeat: this node's sign of life in every log, its look after those that give none any more, and what else is done now and then.

package rabbitmq

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// beats is how often a node gives a sign of life before it is held for dead.
const beats = 3

// heartbeat beats until the broker is closed.
func (b *Broker) heartbeat() {
	ticker := time.NewTicker(b.options.Expiry / beats)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if !b.stopped.Load() {
				b.beatAll()
			}
		case <-b.ctx.Done():
			return
		}
	}
}

// sign is a sign of life.
func (b *Broker) sign() record {
	r := record{Kind: beat}
	if info := b.announced.Load(); info != nil {
		r.Body = *info
	}
	return r
}

func (b *Broker) beatAll() {
	for _, p := range b.partitions {
		p.beat()
	}
}

// beat gives one sign of life, unless the last has not come back yet, and sees to what is due.
func (p *partition) beat() {
	b := p.broker
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beating == nil || p.beating.ended() {
		began := time.Now()
		p.beating = p.proposeLocked(b.sign(), false, func(*outcome) { b.latency.Store(int64(time.Since(began))) })
	}
	p.waitForSnapshot()
	if !p.live {
		return
	}
	if !b.blocked.Load() { // or it would pile up
		p.buryDead()
		p.rejoin(true)
		p.touchSubscribed()
	}
	p.state.sweep()
}

// buryDead has the members of nodes leave that have not been heard of for Expiry. Called with the lock.
func (p *partition) buryDead() {
	for name := range p.heard {
		if p.state.Owners[name] == nil {
			delete(p.heard, name)
		}
	}
	for name, o := range p.state.Owners {
		if o.Alive && name != p.broker.owner && time.Since(p.heard[name]) > p.broker.options.Expiry {
			p.proposeLocked(record{Kind: bury, Key: name, Count: int64(o.Last)}, false, nil)
		}
	}
}

// touchSubscribed keeps the numberings of subscribed channels from being over, of those that nobody has used for half the time. Called with the lock.
func (p *partition) touchSubscribed() {
	for name, r := range p.subs {
		lifetime := p.broker.options.lifetime(r)
		if c := p.state.Channels[name]; c == nil || c.Expires-p.state.Now < lifetime/2 {
			p.proposeLocked(record{Kind: touch, Channel: name, Epoch: hub.NewEpoch(), Lifetime: lifetime}, false, nil)
		}
	}
}

// farewell says in every log that this node goes, for at most the time of one answer.
func (b *Broker) farewell() {
	ctx, cancel := context.WithTimeout(b.ctx, b.options.Timeout)
	defer cancel()
	var calls []*call
	for _, p := range b.partitions {
		calls = append(calls, p.propose(record{Kind: bury, Key: b.owner, Count: -1}, false, nil))
	}
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return
		}
	}
}
