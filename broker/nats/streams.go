// The streams: what they are to be like, made where they are missing, and changed where their limits are others.

package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// memberAge is how long a member is stored; each node says thrice as often that its own are there.
	memberAge = 30 * time.Minute
	// stateAge is how long anything is kept by Keep, and how long an idempotency key is known, at most.
	stateAge = 24 * time.Hour
)

// streams are those of a deployment.
type streams struct {
	channels, members, state jetstream.Stream
	created                  [2]time.Time // when the first two were
}

// configs are what the streams are to be like: of channels, members, state.
func (b *Broker) configs() [3]jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if b.options.Memory {
		storage = jetstream.MemoryStorage
	}
	n := b.names
	common := jetstream.StreamConfig{Storage: storage, Replicas: b.options.Replicas, AllowDirect: b.options.Replicas == 1, Discard: jetstream.DiscardOld}
	channels, members, state := common, common, common
	channels.Name, channels.Subjects = n.channels, []string{n.prefix + ".c.*"}
	channels.MaxMsgsPerSubject, channels.MaxAge = int64(b.options.MaxCount), b.options.MaxAge
	channels.RePublish = &jetstream.RePublish{Source: n.prefix + ".c.*", Destination: n.live + "$1." + said}
	members.Name, members.Subjects = n.members, []string{n.prefix + ".m.*.*"}
	members.MaxMsgsPerSubject, members.MaxAge = 1, memberAge
	members.RePublish = &jetstream.RePublish{Source: n.prefix + ".m.*.*", Destination: n.live + "$1.$2"}
	state.Name, state.Subjects = n.state, []string{n.prefix + ".k.*.*", n.prefix + ".v.*", n.prefix + ".n.*"}
	state.MaxMsgsPerSubject, state.MaxAge = 1, stateAge
	return [3]jetstream.StreamConfig{channels, members, state}
}

// ensure makes the streams that are missing, and notes when they were made. With change, those that are there get this node's limits;
// only a node that starts does that, so that nodes with different options do not change them back and forth.
func (b *Broker) ensure(ctx context.Context, change bool) error {
	var all [3]jetstream.Stream
	for i, config := range b.configs() {
		s, err := b.ensureOne(ctx, config, change)
		if err != nil {
			return fmt.Errorf("the stream %s: %w", config.Name, err)
		}
		all[i] = s
	}
	b.streams.Store(&streams{all[0], all[1], all[2], [2]time.Time{all[0].CachedInfo().Created, all[1].CachedInfo().Created}})
	return nil
}

func (b *Broker) ensureOne(ctx context.Context, want jetstream.StreamConfig, change bool) (jetstream.Stream, error) {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = b.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster, with other options
			s, err = b.js.Stream(ctx, want.Name)
		}
	}
	if err != nil || !change {
		return s, err
	}
	return b.change(ctx, s, want)
}

// change gives a stream the limits it is to have, and leaves alone what an operator has set beside them. If the server does not take them, the
// stream is used as it is, and the log says why.
func (b *Broker) change(ctx context.Context, s jetstream.Stream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	is := s.CachedInfo().Config
	if is.Storage != want.Storage {
		b.options.Log.Warn("nats: a stream stays where it stores, because NATS cannot move it; to have it moved, delete it, which loses what it holds",
			"stream", want.Name, "stores", is.Storage.String(), "wanted", want.Storage.String())
	}
	if limitsOf(is) == limitsOf(want) {
		return s, nil
	}
	changed := is
	changed.MaxMsgsPerSubject, changed.MaxAge, changed.Replicas, changed.AllowDirect = want.MaxMsgsPerSubject, want.MaxAge, want.Replicas, want.AllowDirect
	now, err := b.js.UpdateStream(ctx, changed)
	if _, refused := errors.AsType[*jetstream.APIError](err); refused && !passing(err) {
		b.options.Log.Error("nats: the server does not take other limits of a stream, which keeps those it has; it says why",
			"stream", want.Name, "has", limitsOf(is), "wanted", limitsOf(want), "cause", err)
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	b.options.Log.Info("nats: a stream has other limits now", "stream", want.Name, "before", limitsOf(is), "now", limitsOf(want))
	return now, nil
}

// limits are what of a stream the options decide.
type limits struct {
	MaxMsgsPerSubject int64
	MaxAge            time.Duration
	Replicas          int
	AllowDirect       bool
}

func limitsOf(c jetstream.StreamConfig) limits {
	return limits{c.MaxMsgsPerSubject, c.MaxAge, c.Replicas, c.AllowDirect}
}
