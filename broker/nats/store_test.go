//go:build linux

package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/broker/nats/embedded"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// recorder is a sink that counts what it is told.
type recorder struct{ delivered, interrupted atomic.Int64 }

func (r *recorder) Deliver(*hub.Publication)  { r.delivered.Add(1) }
func (r *recorder) Present(hub.PresenceEvent) {}
func (r *recorder) Interrupted(string)        { r.interrupted.Add(1) }

var keeps = hub.Storing{Retention: hub.Retention{Count: 100, Age: time.Hour}}

func start(t *testing.T, o nats.Options) (*nats.Broker, *recorder) {
	t.Helper()
	return startBroker(t, newBroker(t, o))
}

func startBroker(t *testing.T, b *nats.Broker) (*nats.Broker, *recorder) {
	t.Helper()
	r := new(recorder)
	if err := b.Start(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, r
}

func publish(ctx context.Context, b *nats.Broker, text string, s hub.Storing) (hub.Published, error) {
	return b.Publish(ctx, &hub.Publication{Channel: "lobby", Payload: []byte(text)}, s)
}

func say(t *testing.T, b *nats.Broker, text string, s hub.Storing) hub.Published {
	t.Helper()
	done, err := publish(t.Context(), b, text, s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// kept are the texts that are kept of the lobby.
func kept(t *testing.T, b *nats.Broker) (texts []string) {
	t.Helper()
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 100, Retention: keeps.Retention})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range h.Publications {
		texts = append(texts, string(p.Payload))
	}
	return texts
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after two minutes: %s", what)
		}
	}
}

// The server has got what it did not answer, and does it when it goes on; it is sent again, and recognised.
func TestAPublicationWaitsForTheServerAndIsPublishedOnce(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "")
	o := options(s.URL())
	o.Timeout = time.Second
	impatient, _ := start(t, o)
	o.PublishWait = time.Minute
	b, _ := start(t, o)
	say(t, b, "before", keeps)
	s.Freeze()
	var publishing sync.WaitGroup
	for _, key := range []string{"", "", "key", "other key"} {
		publishing.Go(func() {
			storing := keeps
			storing.IdempotencyKey, storing.Window = key, time.Hour
			if done, err := publish(t.Context(), b, "during "+key, storing); err != nil || done.Duplicate {
				t.Errorf("published with the key %q: %+v, %v", key, done, err)
			}
		})
	}
	eventually(t, "it is tried again", func() bool { return b.Stats().Retries > 0 })
	_, err := publish(t.Context(), impatient, "impatient", keeps)
	if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.Unavailable {
		t.Errorf("who does not wait is told %v", err)
	}
	s.Thaw()
	publishing.Wait()
	counts := make(map[string]int)
	for _, text := range kept(t, b) {
		counts[text]++
	}
	if counts["before"] != 1 || counts["during "] != 2 || counts["during key"] != 1 || counts["during other key"] != 1 {
		t.Errorf("kept are %v", counts)
	}
}

// A claimant of an idempotency key that does not go on is held for dead; what it may have published is searched for.
func TestAKeyIsTakenOverFromANodeThatDied(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "")
	begin := func(t *testing.T, lease time.Duration) (dead, other *nats.Broker) {
		o := options(s.URL())
		o.PublishWait = 30 * time.Second
		dead, other = newBroker(t, o), newBroker(t, o)
		nats.SetLease(dead, lease)
		nats.SetLease(other, time.Second)
		startBroker(t, dead)
		startBroker(t, other)
		say(t, other, "before", keeps)
		return dead, other
	}
	storing := keeps
	storing.IdempotencyKey, storing.Window = "key", time.Hour

	t.Run("before it published", func(t *testing.T) {
		dead, other := begin(t, time.Second)
		late, err := nats.ClaimKey(t.Context(), dead, "lobby", "key", []byte("late"))
		if err != nil {
			t.Fatal(err)
		}
		if done, err := other.Earlier(t.Context(), "lobby", "key"); err != nil || done != (hub.Published{}) {
			t.Errorf("a key that was claimed only is answered %+v, %v", done, err)
		}
		done := say(t, other, "again", storing)
		if done.Duplicate || done.Offset != 2 {
			t.Errorf("the next one is answered %+v", done)
		}
		if at, err := late(); err == nil {
			t.Errorf("the dead node came back and published at %v", at.Position)
		}
		if got := fmt.Sprint(kept(t, other)); got != "[before again]" {
			t.Errorf("kept are %s", got)
		}
	})
	t.Run("before it published, and no caller waits as long as its claim is respected", func(t *testing.T) {
		dead, other := begin(t, time.Second)
		if _, err := nats.ClaimKey(t.Context(), dead, "lobby", "key", []byte("late")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "one of many calls publishes", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := other.Publish(ctx, &hub.Publication{Channel: "lobby", Payload: []byte("again")}, storing)
			return err == nil
		})
		if got := fmt.Sprint(kept(t, other)); got != "[before again]" {
			t.Errorf("kept are %s", got)
		}
	})
	t.Run("after it published", func(t *testing.T) {
		dead, other := begin(t, time.Hour)
		publish, err := nats.ClaimKey(t.Context(), dead, "lobby", "key", []byte("first"))
		if err != nil {
			t.Fatal(err)
		}
		first, err := publish()
		if err != nil {
			t.Fatal(err)
		}
		first.Duplicate = true
		if done, err := other.Earlier(t.Context(), "lobby", "key"); err != nil || done.Position != first.Position {
			t.Errorf("a key that was published with is answered %+v, %v; want %+v", done, err, first)
		}
		say(t, other, "between", keeps)
		if done := say(t, other, "again", storing); !done.Duplicate || done.Position != first.Position {
			t.Errorf("the next one is answered %+v, want %+v", done, first)
		}
		if got := fmt.Sprint(kept(t, other)); got != "[before first between]" {
			t.Errorf("kept are %s", got)
		}
	})
}

// swap is a server in this process that can be replaced.
type swap struct {
	at atomic.Pointer[embedded.Server]
}

func (s *swap) InProcessConn() (net.Conn, error) {
	return s.at.Load().BrokerOptions().InProcess.InProcessConn()
}

// restart ends the server, and starts one that has what is in a folder.
func (s *swap) restart(t *testing.T, dir string) {
	t.Helper()
	if before := s.at.Load(); before != nil {
		before.Close()
	}
	s.at.Store(startEmbedded(t, embedded.Options{Dir: dir}))
}

// A server that is restored from a copy would give offsets again that were given.
func TestAServerThatGoesBackToACopyGetsANewEpoch(t *testing.T) {
	t.Parallel()
	var s swap
	dir, copied := t.TempDir(), t.TempDir()
	s.restart(t, dir)
	o := options("")
	o.InProcess, o.PublishWait = &s, 30*time.Second
	b, sink := start(t, o)
	position, err := b.Subscribe(t.Context(), "lobby", keeps.Retention)
	if err != nil {
		t.Fatal(err)
	}
	say(t, b, "1", keeps)
	s.at.Load().Close()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.restart(t, dir)
	if done := say(t, b, "2", keeps); done.Offset != 2 || done.Epoch != position.Epoch {
		t.Fatalf("the server came back with what it had, and the next is at %v", done.Position)
	}
	eventually(t, "the second is delivered, or left to history", func() bool { return sink.delivered.Load() == 2 || sink.interrupted.Load() > 0 })
	eventually(t, "it is well", func() bool { return b.Health() == nil })
	told := sink.interrupted.Load()

	s.restart(t, copied)
	eventually(t, "an interruption is told", func() bool { return sink.interrupted.Load() > told })
	done := say(t, b, "other 2", keeps)
	if done.Epoch == position.Epoch || done.Offset != 1 {
		t.Errorf("what was at 2 in %s is followed by %v", position.Epoch, done.Position)
	}
	if got := fmt.Sprint(kept(t, b)); got != "[other 2]" {
		t.Errorf("kept are %s", got)
	}
}

// lines is a log that remembers.
type lines struct {
	mu  sync.Mutex // guards what follows
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}

func TestANodeThatStartsGivesStreamsItsLimitsOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	o := startEmbedded(t, embedded.Options{Dir: t.TempDir()}).BrokerOptions()
	b, _ := start(t, o)
	say(t, b, "before", keeps)
	conn, err := client.Connect("", client.InProcessServer(o.InProcess))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	config := func() jetstream.StreamConfig {
		stream, err := js.Stream(t.Context(), "ringdown_channels")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config
	}
	byHand := config()
	byHand.MaxBytes = 1 << 30 // an operator's
	if _, err := js.UpdateStream(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}

	changed := o
	changed.MaxCount, changed.MaxAge = 17, 5*time.Hour
	again, _ := start(t, changed)
	if c := config(); c.MaxMsgsPerSubject != 17 || c.MaxAge != 5*time.Hour || c.MaxBytes != 1<<30 {
		t.Errorf("the stream keeps %d a channel for %v, %d bytes", c.MaxMsgsPerSubject, c.MaxAge, c.MaxBytes)
	}
	if got := fmt.Sprint(kept(t, again)); got != "[before]" {
		t.Errorf("kept are %s", got)
	}

	var log lines
	refused := changed
	refused.Replicas, refused.Memory, refused.Log = 3, true, slog.New(slog.NewTextHandler(&log, nil))
	still, _ := start(t, refused)
	if c := config(); c.Replicas != 1 || c.Storage != jetstream.FileStorage || !log.has("cannot move it") || !log.has("replicas") {
		t.Errorf("the stream has %d replicas in %v; the log says %s", c.Replicas, c.Storage, log.all.String())
	}
	if done := say(t, still, "after", keeps); done.Offset != 2 {
		t.Errorf("published at %v", done.Position)
	}
}

// A stream would keep each key for a day, and a server has not so much room.
func TestAKeyIsDeletedWhenItsWindowIsOver(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "")
	o := options(s.URL())
	b := newBroker(t, o)
	nats.ForgetSoon(b)
	startBroker(t, b)
	storing := keeps
	for i, window := range []time.Duration{time.Second, time.Second, time.Hour} {
		storing.IdempotencyKey, storing.Window = fmt.Sprint("key", i), window
		say(t, b, "x", storing)
	}
	c, err := client.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), o.Prefix+"_state")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "only the key whose window is not over is there", func() bool {
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(o.Prefix+".k.>"))
		return err == nil && len(info.State.Subjects) == 1
	})
	storing.IdempotencyKey = "key2"
	if done := say(t, b, "again", storing); !done.Duplicate {
		t.Error("the key whose window is not over is forgotten")
	}
}

func TestNobodyWaitsForLongerThanPublishWaitHoweverManyPublish(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "")
	o := options(s.URL())
	o.Timeout, o.PublishWait = time.Second, 2*time.Second
	b, _ := start(t, o)
	say(t, b, "before", keeps)
	s.Kill()
	began := time.Now()
	var publishing sync.WaitGroup
	for range 10_000 {
		publishing.Go(func() {
			if _, err := publish(t.Context(), b, "during", keeps); err == nil {
				t.Error("published without a server")
			}
		})
	}
	publishing.Wait()
	if took := time.Since(began); took > 30*time.Second { // one after the other they would take 80
		t.Errorf("the last of 10,000 publications has failed after %v; each was to wait for 2 s", took)
	}
}

// The server adds to what is stored where it comes from before it repeats it.
func TestTheLargestPublicationIsDeliveredWhateverTheChannelIsCalled(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "max_payload: 65536")
	o := options(s.URL())
	b, sink := start(t, o)
	channel := strings.Repeat("é", hub.MaxChannelName/2)
	if _, err := b.Subscribe(t.Context(), channel, keeps.Retention); err != nil {
		t.Fatal(err)
	}
	storing := keeps
	storing.IdempotencyKey, storing.Window = "key", time.Hour
	for size := 65536; ; size-- {
		_, err := b.Publish(t.Context(), &hub.Publication{Channel: channel, Payload: make([]byte, size)}, storing)
		if known, ok := errors.AsType[*hub.Error](err); ok && known.Code == hub.TooLarge {
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		break
	}
	eventually(t, "it is delivered", func() bool { return sink.delivered.Load() == 1 })
}
