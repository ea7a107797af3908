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

// beat gives a sign of life to all partitions of a server until the broker is closed.
func (s *shard) beat() {
	b := s.broker
	ticker := time.NewTicker(b.options.Expiry / beats)
	defer ticker.Stop()
	for healthy := true; ; {
		select {
		case <-ticker.C:
		case <-b.ctx.Done():
			return
		}
		if b.stopped.Load() {
			continue
		}
		err := s.beatAll()
		if err != nil && b.ctx.Err() == nil && healthy {
			b.options.Log.Warn("redis: a server does not take our sign of life; our members will be gone if that goes on", "server", s.server.name(), "cause", err)
		}
		healthy = err == nil
		s.health.set(err)
	}
}

func (s *shard) beatAll() (first error) {
	began := time.Now()
	for _, p := range s.partitions {
		if err := p.beat(s.broker.ctx); err != nil && first == nil {
			first = err
		}
	}
	if first == nil {
		s.health.latency.Store(int64(time.Since(began)) / int64(len(s.partitions)))
	}
	return first
}

// beat gives one sign of life, and sees to what has changed.
func (p *partition) beat(ctx context.Context) error {
	b := p.broker
	answer, err := p.shard.eval(ctx, heartbeatScript, []string{p.names.registry()},
		[]string{b.owner, milliseconds(b.options.Expiry), hub.NewEpoch()}).ToArray()
	if err != nil {
		return err
	}
	if len(answer) < 2 {
		return fmt.Errorf("the server answers with %d values", len(answer))
	}
	registry, _ := answer[0].ToString()
	known, _ := answer[1].AsInt64()
	forgotten := p.pulse.registry != "" && p.pulse.registry != registry // the server has lost what it had
	buried := p.pulse.registry != "" && known == 0
	if err := p.present.settle(ctx, forgotten || buried, forgotten); err != nil {
		return err
	}
	// Without sharded Pub/Sub the servers of a cluster tell each other of publications, and may lose some that nobody hears of.
	hearsay := p.shard.server.Kind == Cluster && !p.shard.sharded
	if forgotten || hearsay || time.Since(p.pulse.verified) > b.options.Idle/2 {
		if err := p.verify(ctx); err != nil {
			return err
		}
		p.pulse.verified = time.Now()
	}
	p.pulse.registry = registry
	if p == b.home() {
		if err := p.announce(ctx); err != nil {
			return err
		}
		if _, err := p.registry(ctx); err != nil { // so that it is known if the server forgets it
			return err
		}
		if forgotten || buried {
			b.unheard()
		}
	}
	for _, dead := range answer[2:] {
		if node, err := dead.ToString(); err == nil {
			if err := p.bury(ctx, node, b.options.Expiry); err != nil {
				return err
			}
		}
	}
	return nil
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
