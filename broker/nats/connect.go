// The connection: made, lost and made again.

package nats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// firstPause is the longest first pause before a connection is made again. It doubles up to Options.MaxPause.
	firstPause = 50 * time.Millisecond
)

// connect reaches a server and makes the streams.
func (b *Broker) connect() error {
	o := append([]nats.Option{
		nats.Name("ringdown-" + b.options.Node),
		nats.Timeout(b.options.Timeout),
		nats.FlusherTimeout(b.options.Timeout),
		nats.PingInterval(max(100*time.Millisecond, b.options.Timeout/3)),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent fails at once; we know ourselves what to try again
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(b.pause),
		nats.DisconnectErrHandler(b.lost),
		nats.ReconnectHandler(b.back),
		nats.ErrorHandler(b.erred),
	}, b.login...)
	if b.options.InProcess != nil {
		o = append(o, nats.InProcessServer(b.options.InProcess))
	}
	conn, err := nats.Connect(b.server.urls(), o...)
	if err != nil {
		return fmt.Errorf("nats: %s cannot be reached; see that it runs and that the URL is right: %w", b.server.name(), err)
	}
	b.conn = conn
	if b.js, err = jetstream.New(conn); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if err := b.greet(); err != nil {
		return fmt.Errorf("nats: %s does not do what is asked of it; see that JetStream runs, and what docs/brokers.md says the user must be allowed: %w", b.server.name(), err)
	}
	return nil
}

// firstAnswer is how long the first answer is waited for at Start. Servers that are about to elect a leader do not answer at all, so it is not
// Options.Timeout at once; the wait doubles up to that.
const firstAnswer = 500 * time.Millisecond

// tellEvery is how often the log says what Start waits for.
const tellEvery = 5 * time.Second

// greet makes the streams, tells of this node, and listens to the others. A cluster that has just begun elects leaders first, so it is
// tried for a while.
func (b *Broker) greet() error {
	deadline, told := time.Now().Add(b.options.StartWait), time.Now()
	for wait := firstAnswer; ; wait = min(2*wait, b.options.Timeout) {
		ctx, cancel := context.WithTimeout(b.ctx, min(wait, b.options.Timeout)) // for all streams
		err := b.ensure(ctx, true)
		if err == nil {
			err = b.sign(ctx)
		}
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) || !passing(err) {
			return err
		}
		if time.Since(told) > tellEvery {
			told = time.Now()
			b.options.Log.Info("nats: the server stores nothing yet; it waits until most of the servers of its cluster are there", "server", b.server.name(), "cause", err)
		}
		if !jitter(b.ctx, 200*time.Millisecond) {
			return b.ctx.Err()
		}
	}
	if err := b.watchLeaders(); err != nil {
		return err
	}
	return b.listen()
}

// watchLeaders has channels looked at whenever another server begins to lead a stream: what the one before had stored, it may not have repeated.
// Servers tell of it, if the user may hear it; otherwise the heartbeat compares.
func (b *Broker) watchLeaders() error {
	for _, stream := range []string{b.names.channels, b.names.members} {
		_, err := b.conn.Subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."+stream, func(*nats.Msg) { b.interrupt() })
		if err != nil {
			return err
		}
	}
	return nil
}

// leaders are the servers that lead the streams that are repeated.
func (b *Broker) leaders(ctx context.Context) (all [2]string, err error) {
	s := b.streams.Load()
	for i, one := range []jetstream.Stream{s.channels, s.members} {
		ctx, cancel := b.timed(ctx)
		info, err := one.Info(ctx)
		cancel()
		if err != nil {
			return all, err
		}
		if info.Cluster != nil {
			all[i] = info.Cluster.Leader
		}
	}
	return all, nil
}

// interrupt has it asked where all channels are, because something may not have come.
func (b *Broker) interrupt() {
	for _, s := range b.subscriptions.list() {
		s.interrupt()
	}
	b.lookSoon()
}

// Refusals by the number that NATS gives them: of a cluster that has fewer servers now than there are to be replicas, and of a server that has no
// cluster.
const tooFewServers, noCluster jetstream.ErrorCode = 10005, 10074

// passing tells whether trying again may help.
func passing(err error) bool {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.ErrorCode == tooFewServers || refused.ErrorCode != noCluster && (refused.Code == 503 || refused.Code == 500)
	}
	return !errors.Is(err, nats.ErrPermissionViolation) && !errors.Is(err, nats.ErrConnectionClosed)
}

// pause is the client library's pause before it tries all servers once more.
func (b *Broker) pause(attempts int) time.Duration {
	return rand.N(min(b.options.MaxPause, firstPause<<min(attempts, 20)))
}

// lost and back are told by the client library.
func (b *Broker) lost(_ *nats.Conn, err error) {
	if b.closed.Load() {
		return
	}
	b.options.Log.Warn("nats: the connection is lost; it is made again", "server", b.server.name(), "cause", err)
	for _, s := range b.subscriptions.list() {
		s.interrupt()
	}
}

func (b *Broker) back(*nats.Conn) {
	b.counters.reconnects.Add(1)
	b.options.Log.Info("nats: connected again", "server", b.conn.ConnectedUrlRedacted())
	b.lookSoon()
	b.unheard()
}

// erred is told of what went wrong without anybody waiting for it; in particular that messages were dropped because they came faster
// than they could be handed on. Those of channels show as gaps, but only once something follows.
func (b *Broker) erred(_ *nats.Conn, s *nats.Subscription, err error) {
	if b.closed.Load() {
		return
	}
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	b.options.Log.Warn("nats: something has gone wrong", "subject", subject, "cause", err)
	if errors.Is(err, nats.ErrSlowConsumer) && s != nil {
		b.dropped(s)
	}
}

// missing has the streams made again if an error says that there are none.
func (b *Broker) missing(err error) {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrStreamNotFound) {
		b.lookSoon()
	}
}

func (b *Broker) lookSoon() {
	select {
	case b.looking <- struct{}{}:
	default:
	}
}

// look makes streams where they are missing and asks for the positions of channels in doubt, whenever it is told to, until it is done.
func (b *Broker) look() {
	for {
		select {
		case <-b.looking:
		case <-b.ctx.Done():
			return
		}
		for pause := firstPause; b.ctx.Err() == nil; pause = min(2*pause, b.options.MaxPause) {
			err := b.lookOnce()
			if err == nil {
				break
			}
			b.options.Log.Warn("nats: cannot find out what was missed; it is tried again", "cause", err)
			if !b.conn.IsConnected() { // back will tell
				break
			}
			jitter(b.ctx, pause)
		}
	}
}

func (b *Broker) lookOnce() error {
	before := b.streams.Load().created
	if err := b.ensure(b.ctx, false); err != nil {
		return err
	}
	renewed := b.streams.Load().created != before
	if renewed {
		b.options.Log.Error("nats: a stream is another one than before; what was kept is lost", "streams", b.names.channels+", "+b.names.members)
		for _, s := range b.subscriptions.list() {
			s.interrupt()
		}
	}
	if err := b.settleOwn(b.ctx, renewed || b.alive.silent() > b.options.Expiry/2); err != nil {
		return err
	}
	return b.settle(b.subscriptions.list(), (*subscription).settle)
}

// maxLooks is how many channels are asked for at the same time.
const maxLooks = 64

// settle does something for many subscriptions, and returns the first error.
func (b *Broker) settle(all []*subscription, do func(*subscription, context.Context) error) error {
	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	places := make(chan struct{}, maxLooks)
	for _, s := range all {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		b.working.Go(func() {
			defer func() { <-places }()
			if err := do(s, ctx); err != nil {
				cancel(err)
			}
		})
	}
	for range maxLooks { // all are done
		places <- struct{}{}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
