// Who is in a channel. The members are in Redis; each node remembers its own, to bring them back if Redis forgets them.

package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// presence are the members that this node has brought into the channels of a partition.
type presence struct {
	part *partition

	// settling is held for writing while some members are brought back or owed leaves are made good, so that no call comes between. It is
	// held while a server is waited for, as all who wait for it do anyway.
	settling sync.RWMutex

	mu   sync.Mutex // guards what follows
	own  map[membership]hub.Member
	owed map[membership]bool // that are to leave, but may not have
	next map[string]*reading // by channel: what the next reading is for, nil if nobody waits for it; there only while one is under way
}

type membership struct{ channel, session string }

func (p *presence) init(part *partition) {
	p.part, p.own, p.owed, p.next = part, make(map[membership]hub.Member), make(map[membership]bool), make(map[string]*reading)
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

// settleMany is how many members are settled at the same time.
const settleMany = 128

// settle makes owed leaves good, and brings all own members back if they are not known any more; quietly if nobody was told that
// they had gone. If that takes long, it says that this node lives, lest the others let its members leave meanwhile.
func (p *presence) settle(ctx context.Context, restore, quietly bool) error {
	expiry := p.part.broker.options.Expiry
	signed := time.Now()
	for keys := range slices.Chunk(p.unsettled(restore), settleMany) {
		if time.Since(signed) > expiry/beats {
			if _, _, _, err := p.part.sign(ctx); err != nil {
				return err
			}
			signed = time.Now()
		}
		if err := p.settleSome(ctx, keys, quietly); err != nil {
			return err
		}
	}
	return nil
}

// unsettled are the members that are to leave, and with restore those that are to be there.
func (p *presence) unsettled(restore bool) (keys []membership) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.owed {
		keys = append(keys, key)
	}
	for key := range p.own {
		if restore {
			keys = append(keys, key)
		}
	}
	return keys
}

// settleSome does it for a few at the same time. It holds up Join and Leave no longer than those would wait anyway.
func (p *presence) settleSome(ctx context.Context, keys []membership, quietly bool) error {
	p.settling.Lock()
	defer p.settling.Unlock()
	problems := make([]error, len(keys))
	var settling sync.WaitGroup
	for i, key := range keys {
		settling.Go(func() { problems[i] = p.settleOne(ctx, key, quietly) })
	}
	settling.Wait()
	return cmp.Or(problems...)
}

func (p *presence) settleOne(ctx context.Context, key membership, quietly bool) error {
	p.mu.Lock()
	m, here := p.own[key]
	owed := p.owed[key]
	p.mu.Unlock()
	switch {
	case here:
		return p.join(ctx, key.channel, m, quietly)
	case !owed: // it has left meanwhile
		return nil
	}
	if err := p.leave(ctx, key); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.owed, key)
	return nil
}

// Presence implements [hub.Broker]. All who ask for members of a channel at the same time share one answer of the server, which takes long where
// there are very many.
func (b *Broker) Presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Presence{}, err
	}
	defer leave()
	var present hub.Presence
	if limit > 0 {
		present, err = b.partition(channel).present.shared(ctx, channel)
	} else {
		err = b.insist(ctx, func() (err error) { present, err = b.partition(channel).members(ctx, channel, false); return err })
	}
	if err != nil {
		return hub.Presence{}, b.unavailable(err, "tell who is present", false)
	}
	present.Members = slices.Clone(present.Members[:min(max(0, limit), len(present.Members))])
	return present, nil
}

// reading is an answer of the server that is waited for.
type reading struct {
	done chan struct{} // closed once what follows is set
	hub.Presence
	err error
}

// shared reads the members of a channel, one reading at a time. Who comes while one is under way waits for the next, because an answer may be from
// before the question.
func (p *presence) shared(ctx context.Context, channel string) (hub.Presence, error) {
	p.mu.Lock()
	next, under := p.next[channel]
	if next == nil {
		next = &reading{done: make(chan struct{})}
		p.next[channel] = next
	}
	if !under {
		p.part.broker.working.Go(func() { p.read(channel) })
	}
	p.mu.Unlock()
	select {
	case <-next.done:
		return next.Presence, next.err
	case <-ctx.Done():
		return hub.Presence{}, ctx.Err()
	}
}

// read reads until nobody has asked meanwhile.
func (p *presence) read(channel string) {
	b := p.part.broker
	for {
		p.mu.Lock()
		r := p.next[channel]
		if r == nil {
			delete(p.next, channel)
			p.mu.Unlock()
			return
		}
		p.next[channel] = nil // under way
		p.mu.Unlock()
		r.err = b.insist(b.ctx, func() (err error) { r.Presence, err = p.part.members(b.ctx, channel, true); return err })
		close(r.done)
	}
}

// members asks how many are in a channel, and who, sorted.
func (p *partition) members(ctx context.Context, channel string, who bool) (all hub.Presence, err error) {
	answer, err := p.shard.eval(ctx, presenceScript, []string{p.names.members(channel), p.names.users(channel)}, []string{flag(who)}).ToArray()
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
	return all, nil
}
