// Echoes: whether what is published would come to this node. In a cluster of servers a subscription is told from server to server, and a
// position that is asked for right after it may be answered before the server knows of it that repeats what is stored; what is stored in between
// would then never come.
//
// So after it has subscribed a node stores a message of its own in both streams that are repeated, under a name to which it has subscribed after
// all others, until it hears it. Subscriptions go from server to server in their order, so who knows the last one knows all.

package nats

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/hub"
)

const (
	// echoNames is how many names a node uses in turn. One is used again only when later ones have been heard: by then all servers have
	// forgotten its last use.
	echoNames = 4
	// echoPause is how long an echo is waited for at first; it is doubled up to maxEchoPause.
	echoPause    = 10 * time.Millisecond
	maxEchoPause = 500 * time.Millisecond
	// echoKept is after how many echoes those that are stored are deleted.
	echoKept = 256
	// echoOf is the token of the session in what is repeated of the stream of members.
	echoOf = "m"
)

// echoes are those of a broker. Whoever waits for one at the same time waits for the same.
type echoes struct {
	turn sync.Mutex // held while an echo is waited for; guards count
	// count is how many there were.
	count int

	mu   sync.Mutex // guards what follows
	next *echo      // that has not begun
}

// echo is one that is waited for.
type echo struct {
	done chan struct{}
	err  error // set before done is closed
}

// audible waits until what is stored from now on comes to this node, as far as it has subscribed.
func (b *Broker) audible(ctx context.Context) error {
	if b.oneServer() {
		return nil
	}
	b.echoes.mu.Lock()
	e := b.echoes.next
	if e == nil {
		e = &echo{done: make(chan struct{})}
		b.echoes.next = e
		b.working.Go(func() { b.runEcho(e) })
	}
	b.echoes.mu.Unlock()
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// oneServer tells whether the server that we are connected to stores everything itself and has no others beside it.
func (b *Broker) oneServer() bool {
	if b.conn.ConnectedClusterName() != "" {
		return false
	}
	s := b.streams.Load()
	for _, one := range []jetstream.Stream{s.channels, s.members} {
		if c := one.CachedInfo().Cluster; c != nil && c.Leader != b.conn.ConnectedServerName() {
			return false
		}
	}
	return true
}

func (b *Broker) runEcho(e *echo) {
	b.echoes.turn.Lock()
	defer b.echoes.turn.Unlock()
	b.echoes.mu.Lock()
	b.echoes.next = nil // who subscribes from here on needs another
	b.echoes.mu.Unlock()
	e.err = b.echo()
	close(e.done)
	if b.echoes.count%echoKept == 0 {
		b.forgetEchoes()
	}
}

// echo stores messages until it has heard one of each stream. Called with the turn.
func (b *Broker) echo() error {
	ctx, cancel := b.timed(b.ctx)
	defer cancel()
	name, id := b.echoName(b.echoes.count), hub.NewEpoch()
	b.echoes.count++
	coming, err := b.conn.SubscribeSync(b.names.live + name + ".*")
	if err != nil {
		return err
	}
	defer coming.Unsubscribe()
	missing := map[string]string{said: b.names.prefix + ".c." + name, echoOf: b.names.prefix + ".m." + name + "." + echoOf}
	for pause := echoPause; ; pause = min(2*pause, maxEchoPause) {
		problem := b.storeEchoes(ctx, missing, id)
		b.hearEchoes(ctx, coming, missing, id, pause)
		switch {
		case len(missing) == 0:
			return nil
		case ctx.Err() == nil:
		case problem != nil:
			return problem
		default:
			return fmt.Errorf("what is stored is not repeated to this node: %w", ctx.Err())
		}
	}
}

// echoName is a token that no channel has.
func (b *Broker) echoName(count int) string {
	return "@" + b.options.Node + "-" + strconv.Itoa(count%echoNames)
}

// storeEchoes stores one message in each stream from which none has come.
func (b *Broker) storeEchoes(ctx context.Context, missing map[string]string, id string) error {
	problems := make(chan error, len(missing))
	for _, subject := range missing {
		go func() {
			_, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: []byte(id)}, whileElecting...)
			problems <- err
		}()
	}
	var problem error
	for range missing {
		if err := <-problems; err != nil {
			problem = err
		}
	}
	return problem
}

// hearEchoes takes off what is missing what comes within a while.
func (b *Broker) hearEchoes(ctx context.Context, coming *nats.Subscription, missing map[string]string, id string, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for len(missing) > 0 {
		m, err := coming.NextMsgWithContext(ctx)
		if err != nil {
			<-ctx.Done() // not to be asked again at once if the connection has gone
			return
		}
		if _, rest := b.names.ofChannel(m.Subject); string(m.Data) == id {
			delete(missing, rest)
		}
	}
}

// forgetEchoes deletes those that are stored in the stream of channels; that of members keeps one of a name.
func (b *Broker) forgetEchoes() {
	for i := range echoNames {
		ctx, cancel := b.timed(b.ctx)
		if err := b.streams.Load().channels.Purge(ctx, jetstream.WithPurgeSubject(b.names.prefix+".c."+b.echoName(i))); err != nil && b.ctx.Err() == nil {
			b.options.Log.Debug("nats: cannot delete what was stored to hear whether it comes back", "cause", err)
		}
		cancel()
	}
}
