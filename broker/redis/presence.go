// Who is in a channel. The members are in Redis; each node remembers its own, to bring them back if Redis forgets them.

package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// presence are the members that this node has brought into the channels of a partition.
type presence struct {
	part *partition

	// settling is held for writing while members are brought back and owed leaves are made good, so that no call comes between. It is
	// held while a server is waited for, as all who wait for it do anyway.
	settling sync.RWMutex

	mu   sync.Mutex // guards what follows
	own  map[membership]hub.Member
	owed map[membership]bool // that are to leave, but may not have
}

type membership struct{ channel, session string }

func (p *presence) init(part *partition) {
	p.part, p.own, p.owed = part, make(map[membership]hub.Member), make(map[membership]bool)
}

// Join implements [hub.Broker].
func (b *Broker) Join(ctx context.Context, channel string, m hub.Member) error {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p := &b.partition(channel).present
	p.settling.RLock()
	defer p.settling.RUnlock()
	key := membership{channel, m.Session}
	if err := p.join(ctx, channel, m, false); err != nil {
		p.owe(key)
		return b.unavailable(err, "say who is present", ambiguous(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own[key] = m
	delete(p.owed, key)
	return nil
}

// Leave implements [hub.Broker].
func (b *Broker) Leave(ctx context.Context, channel string, m hub.Member) error {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p := &b.partition(channel).present
	p.settling.RLock()
	defer p.settling.RUnlock()
	key := membership{channel, m.Session}
	if err := p.leave(ctx, key); err != nil {
		p.owe(key)
		return b.unavailable(err, "say who has gone", ambiguous(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, key)
	delete(p.owed, key)
	return nil
}

// owe notes that a member is to leave as soon as that can be said.
func (p *presence) owe(key membership) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, key)
	p.owed[key] = true
}

func (p *presence) join(ctx context.Context, channel string, m hub.Member, quietly bool) error {
	names, s := &p.part.names, p.part.shard
	return s.eval(ctx, joinScript, []string{names.members(channel), names.users(channel)},
		[]string{names.channel(channel), s.publish, channel, names.owners(), m.Session, p.part.broker.owner, m.User,
			rueidis.BinaryString(wire.AppendMember(nil, m)), flag(quietly)}).Error()
}

func (p *presence) leave(ctx context.Context, key membership) error {
	names, s := &p.part.names, p.part.shard
	return s.eval(ctx, leaveScript, []string{names.members(key.channel), names.users(key.channel)},
		[]string{names.channel(key.channel), s.publish, key.channel, names.owners(), key.session, p.part.broker.owner}).Error()
}

// settle makes owed leaves good, and brings all own members back if they are not known any more; quietly if nobody was told that
// they had gone.
func (p *presence) settle(ctx context.Context, restore, quietly bool) error {
	p.settling.Lock()
	defer p.settling.Unlock()
	p.mu.Lock()
	var owed []membership
	for key := range p.owed {
		owed = append(owed, key)
	}
	own := make(map[membership]hub.Member)
	if restore {
		for key, m := range p.own {
			own[key] = m
		}
	}
	p.mu.Unlock()
	for _, key := range owed {
		if err := p.leave(ctx, key); err != nil {
			return err
		}
		p.mu.Lock()
		delete(p.owed, key)
		p.mu.Unlock()
	}
	for key, m := range own {
		if err := p.join(ctx, key.channel, m, quietly); err != nil {
			return err
		}
	}
	return nil
}

// Presence implements [hub.Broker].
func (b *Broker) Presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Presence{}, err
	}
	defer leave()
	var present hub.Presence
	err = b.insist(ctx, func() (err error) { present, err = b.partition(channel).members(ctx, channel, limit); return err })
	if err != nil {
		return hub.Presence{}, b.unavailable(err, "tell who is present", false)
	}
	return present, nil
}

func (p *partition) members(ctx context.Context, channel string, limit int) (all hub.Presence, err error) {
	answer, err := p.shard.eval(ctx, presenceScript, []string{p.names.members(channel), p.names.users(channel)}, []string{flag(limit > 0)}).ToArray()
	if err != nil {
		return all, err
	}
	if len(answer) < 2 {
		return all, fmt.Errorf("the server answers with %d values", len(answer))
	}
	sessions, err1 := answer[0].AsInt64()
	users, err2 := answer[1].AsInt64()
	if err := cmp.Or(err1, err2); err != nil {
		return all, err
	}
	all.Sessions, all.Users = int(sessions), int(users)
	for _, value := range answer[2:] {
		text, err := value.ToString()
		if err != nil {
			return hub.Presence{}, err
		}
		m, err := wire.DecodeMember([]byte(text))
		if err != nil {
			return hub.Presence{}, err
		}
		all.Members = append(all.Members, m)
	}
	slices.SortFunc(all.Members, func(a, b hub.Member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Session, b.Session))
	})
	all.Members = slices.Clip(all.Members[:min(max(0, limit), len(all.Members))])
	return all, nil
}
