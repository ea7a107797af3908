// The heartbeat: this node's sign of life, its look after those that give none any more, and whether a server has forgotten us.

package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// beats is how often a node gives a sign of life before it is held for dead.
const beats = 3

// greet has the server hear of this node for the first time.
func (s *shard) greet(ctx context.Context) error {
	for _, p := range s.partitions {
		if err := p.beat(ctx); err != nil {
			return fmt.Errorf("redis: %s does not do what is asked of it; see what docs/brokers.md says the user must be allowed: %w", s.server.name(), err)
		}
	}
	p := s.partitions[0]
	if err := p.send(ctx, p.broker.options.Node, nil); err != nil {
		return fmt.Errorf("redis: %s lets its user not publish; see what docs/brokers.md says it must be allowed: %w", s.server.name(), err)
	}
	return nil
}

// keepBeating gives a sign of life until the broker is closed. Each partition has a heart of its own: in a cluster one of its servers may hang.
func (p *partition) keepBeating() {
	b := p.broker
	ticker := time.NewTicker(b.options.Expiry / beats)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-b.ctx.Done():
			return
		}
		if b.stopped.Load() {
			continue
		}
		err := p.beat(b.ctx)
		if p.shard.health.set(p, err) && b.ctx.Err() == nil {
			b.options.Log.Warn("redis: a server does not take our sign of life; our members will be gone if that goes on", "server", p.shard.server.name(), "cause", err)
		}
	}
}

// sign gives a sign of life. It returns the registry's identity, whether this node was in it, and the nodes that are dead.
func (p *partition) sign(ctx context.Context) (registry string, known bool, dead []string, err error) {
	b, began := p.broker, time.Now()
	answer, err := p.shard.eval(ctx, heartbeatScript, []string{p.names.registry()},
		[]string{b.owner, milliseconds(b.options.Expiry), hub.NewEpoch()}).ToArray()
	if err != nil {
		return "", false, nil, err
	}
	if len(answer) < 2 {
		return "", false, nil, fmt.Errorf("the server answers with %d values", len(answer))
	}
	p.shard.health.latency.Store(int64(time.Since(began)))
	registry, _ = answer[0].ToString()
	n, _ := answer[1].AsInt64()
	for _, value := range answer[2:] {
		if node, err := value.ToString(); err == nil {
			dead = append(dead, node)
		}
	}
	return registry, n > 0, dead, nil
}

// beat gives one sign of life, and sees to what has changed. What it does not get done the next one does.
func (p *partition) beat(ctx context.Context) error {
	b := p.broker
	registry, known, dead, err := p.sign(ctx)
	if err != nil {
		return err
	}
	p.pulse.noteRegistry(registry, known)
	if err := p.present.settle(ctx, p.pulse.gone, !p.pulse.told); err != nil {
		return err
	}
	p.pulse.gone, p.pulse.told = false, false
	// Without sharded Pub/Sub the servers of a cluster tell each other of publications, and may lose some that nobody hears of.
	hearsay := p.shard.server.Kind == Cluster && !p.shard.sharded
	if hearsay || time.Since(p.pulse.verified) > b.options.Idle/2 {
		if err := p.verify(ctx); err != nil {
			return err
		}
		p.pulse.verified = time.Now()
	}
	if p == b.home() {
		if err := p.announce(ctx); err != nil {
			return err
		}
		if _, err := p.registry(ctx); err != nil { // so that it is known if the server forgets it
			return err
		}
		if p.pulse.deaf {
			p.pulse.deaf = false
			b.unheard()
		}
	}
	for _, node := range dead {
		if err := p.bury(ctx, node, b.options.Expiry); err != nil {
			return err
		}
	}
	return nil
}

// pulse is what a partition's heartbeat knows. It belongs to the goroutine that beats.
type pulse struct {
	registry string    // its identity
	gone     bool      // our members are not there any more, and are to be brought back
	told     bool      // of that somebody was told
	deaf     bool      // the other nodes may have told this one something meanwhile, for nobody knew it
	verified time.Time // when the channels were last verified
}

// noteRegistry compares the registry with the one before: the server may have lost what it had, or others have held us for dead.
func (p *pulse) noteRegistry(identity string, known bool) {
	switch {
	case p.registry == "":
	case identity != p.registry:
		p.gone, p.deaf, p.verified = true, true, time.Time{}
	case !known:
		p.gone, p.told, p.deaf = true, true, true
	}
	p.registry = identity
}

// bury lets the members of a node that has been dead for some time leave, and forgets the node.
func (p *partition) bury(ctx context.Context, node string, dead time.Duration) error {
	silence := "0"
	if dead > 0 {
		silence = milliseconds(dead)
	}
	for {
		more, err := p.shard.eval(ctx, buryScript, []string{p.names.registry(), p.names.announced()},
			[]string{node, silence, p.names.owners(), p.names.tag + "m:", p.names.tag + "u:", p.names.live, p.shard.publish}).AsInt64()
		if err != nil || more == 0 {
			return err
		}
	}
}

// farewell says that this node goes, to the servers that answer within the time for one answer.
func (b *Broker) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), b.options.Timeout)
	defer cancel()
	for _, s := range b.shards {
		for _, p := range s.partitions {
			if p.bury(ctx, b.owner, 0) != nil {
				break
			}
		}
	}
}
