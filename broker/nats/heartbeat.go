// The heartbeat: this node's sign of life, its look after those that give none any more, and what is done from time to time.

package nats

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/ringdown/ringdown/hub"
)

const (
	// beats is how often a node gives a sign of life before it is held for dead.
	beats = 3
	// verifyEvery is how often subscribed channels are compared with what came of them.
	verifyEvery = 10 * time.Minute
	// buryEvery is how often the members of dead nodes are looked for although nobody seems to have died.
	buryEvery = 10 * time.Minute
)

// alive is what is known of the nodes.
type alive struct {
	mu      sync.Mutex // guards what follows
	signed  time.Time  // when this node's last sign of life was stored
	err     error      // of the last heartbeat
	latency time.Duration
}

func (a *alive) set(began time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err = err; err == nil {
		a.signed, a.latency = began, time.Since(began)
	}
}

// silent is how long this node has given no sign of life.
func (a *alive) silent() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.signed)
}

func (a *alive) health() (time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.latency, a.err
}

// A stored node begins with whether it lives, then its run after a length, then what it announces.
const nodeMark, goneMark = 'N', 'G'

// sign gives a sign of life.
func (b *Broker) sign(ctx context.Context) error {
	began := time.Now()
	err := b.signAs(ctx, nodeMark)
	b.alive.set(began, err)
	return err
}

func (b *Broker) signAs(ctx context.Context, mark byte) error {
	body := append([]byte{mark, byte(len(b.run))}, b.run...)
	if info := b.announced.Load(); info != nil {
		body = append(body, *info...)
	}
	ctx, cancel := b.timed(ctx)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: b.names.node(b.options.Node), Data: body}, whileElecting...)
	return err
}

// rounds are what a heartbeat remembers. They belong to its goroutine.
type rounds struct {
	living   map[string]bool // the runs that were alive
	buried   time.Time       // when the members of the dead were last looked for
	restored time.Time       // when own members were last said to be there
	verified time.Time
	fresh    map[*subscription]bool // what was subscribed to the last time
	leaders  [2]string              // of the streams
}

// beat runs until the broker is closed.
func (b *Broker) beat() {
	r := rounds{restored: time.Now(), verified: time.Now()}
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
		err := b.beatOnce(&r)
		if err != nil && b.ctx.Err() == nil {
			b.alive.set(time.Time{}, err)
			b.missing(err)
			if healthy {
				b.options.Log.Warn("nats: a server does not take our sign of life; our members will be gone if that goes on", "cause", err)
			}
		}
		healthy = err == nil
	}
}

func (b *Broker) beatOnce(r *rounds) error {
	silent := b.alive.silent()
	if err := b.sign(b.ctx); err != nil {
		return err
	}
	leaders, err := b.leaders(b.ctx)
	if err != nil {
		return err
	}
	if silent > 2*b.options.Expiry/beats || r.leaders != leaders && r.leaders != [2]string{} {
		b.interrupt()
	}
	r.leaders = leaders
	restore := silent > b.options.Expiry/2 || time.Since(r.restored) > memberAge/3
	if err := b.settleOwn(b.ctx, restore); err != nil {
		return err
	}
	if restore {
		r.restored = time.Now()
	}
	b.writers.sweep()
	if err := b.verify(r); err != nil {
		return err
	}
	return b.watch(r)
}

// verify compares where channels are with what came of them: all of them from time to time, and the new ones once more, because servers of
// a cluster may not all have known of the subscription when the position was asked for.
func (b *Broker) verify(r *rounds) error {
	all := b.subscriptions.list()
	due := all
	if time.Since(r.verified) < verifyEvery {
		due = nil
		for _, s := range all {
			if known, twice := r.fresh[s]; !known || !twice {
				due = append(due, s)
			}
		}
	} else {
		r.verified = time.Now()
	}
	now := make(map[*subscription]bool, len(all))
	for _, s := range all {
		_, before := r.fresh[s]
		now[s] = before
	}
	r.fresh = now
	return b.settle(due, (*subscription).verify)
}

// watch looks whether a node has died. The first of those that live has its members leave.
func (b *Broker) watch(r *rounds) error {
	nodes, err := b.registry(b.ctx)
	if err != nil {
		return err
	}
	living, died := make(map[string]bool), len(r.living) == 0
	for _, n := range nodes {
		living[n.run] = true
	}
	for run := range r.living {
		died = died || !living[run]
	}
	r.living = living
	if len(nodes) == 0 || nodes[0].run != b.run || !died && time.Since(r.buried) < buryEvery {
		if died { // whoever comes first may die as well
			r.buried = time.Time{}
		}
		return nil
	}
	if err := b.bury(b.ctx); err != nil {
		r.living = nil // again
		return err
	}
	r.buried = time.Now()
	return nil
}

// bury has members leave whose node does not live.
func (b *Broker) bury(ctx context.Context) error {
	type buried struct {
		subject, run string
		seq          uint64
		member       hub.Member
	}
	var all []buried
	err := b.scan(ctx, b.names.members, b.names.prefix+".m.*.*", func(one stored) bool {
		if here, run, m, err := decodeMember(one.body); err == nil && here && run != b.run {
			all = append(all, buried{one.subject, run, one.seq, m})
		}
		return true
	})
	if err != nil || len(all) == 0 {
		return err
	}
	nodes, err := b.registry(ctx) // later, so that the nodes of all these members had been in it
	if err != nil {
		return err
	}
	living := make(map[string]bool)
	for _, n := range nodes {
		living[n.run] = true
	}
	for _, m := range all {
		if living[m.run] {
			continue
		}
		// If it has come back on another node, it is left alone.
		if _, _, err := b.put(ctx, m.subject, encodeMember(leaveMark, m.run, m.member), m.seq); err != nil {
			return err
		}
	}
	return nil
}

// farewell says that this node and its members go, as far as a server answers within the time for one answer.
func (b *Broker) farewell() {
	ctx, cancel := b.timed(context.Background())
	defer cancel()
	if b.stopped.Load() || !b.conn.IsConnected() {
		return
	}
	b.own.mu.Lock()
	for key := range b.own.members {
		delete(b.own.members, key)
		b.own.owed[key] = true
	}
	b.own.mu.Unlock()
	if err := b.settleOwn(ctx, false); err == nil {
		b.signAs(ctx, goneMark)
	}
}

// registered is a line of the registry.
type registered struct {
	hub.Node
	run string
}

func decodeNode(subject string, b []byte) (n registered, lives bool, err error) {
	if len(b) < 2 || b[0] != nodeMark && b[0] != goneMark || len(b) < 2+int(b[1]) {
		return n, false, fmt.Errorf("a line of the registry cannot be read: %w", errNotOurs)
	}
	end := 2 + int(b[1])
	n.run, n.Name = string(b[2:end]), subject[strings.LastIndexByte(subject, '.')+1:]
	if len(b) > end {
		n.Info = b[end:]
	}
	return n, b[0] == nodeMark, nil
}
