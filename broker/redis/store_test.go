//go:build linux

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/redis"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// recorder is a sink that keeps what it is told.
type recorder struct {
	mu          sync.Mutex // guards what follows
	delivered   []*hub.Publication
	interrupted int
	events      []hub.PresenceEvent
}

func (r *recorder) Deliver(p *hub.Publication) {
	r.mu.Lock()
	r.delivered = append(r.delivered, p)
	r.mu.Unlock()
}
func (r *recorder) Present(e hub.PresenceEvent) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
}
func (r *recorder) Interrupted(string) { r.mu.Lock(); r.interrupted++; r.mu.Unlock() }

func (r *recorder) counts() (delivered, interrupted, events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.delivered), r.interrupted, len(r.events)
}

var keeps = hub.Storing{Retention: hub.Retention{Count: 100, Age: time.Hour}}

func start(t *testing.T, o redis.Options) (*redis.Broker, *recorder) {
	t.Helper()
	b, r := newBroker(t, o), new(recorder)
	if err := b.Start(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, r
}

func say(t *testing.T, b *redis.Broker, text string, s hub.Storing) hub.Published {
	t.Helper()
	done, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte(text)}, s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after two minutes: %s", what)
		}
	}
}

// A replica that takes over without the last publications would give their offsets again.
func TestAServerThatHasForgottenTheNewestGetsANewEpoch(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"who publishes has seen more", "who is connected again has seen more", "the numbering went past"} {
		t.Run(by, func(t *testing.T) {
			r := servers.StartRedis(t, servers.RedisOptions{})
			l := servers.NewLink(t, r.Addr)
			o := options(r.URL())
			behind := o
			behind.URL = "redis://" + l.Addr
			b, sink := start(t, behind)
			other, _ := start(t, o)
			position, err := b.Subscribe(t.Context(), "lobby", keeps.Retention)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				say(t, other, "x", keeps)
			}
			eventually(t, "five are delivered", func() bool { n, _, _ := sink.counts(); return n == 5 })
			meta := o.Prefix + ":{0}:n:lobby"
			time0 := "1000" // the numbering is back at 3
			goBack := func() { r.Do("HSET " + meta + " o 3 t " + time0); r.Do("LTRIM " + o.Prefix + ":{0}:h:lobby 0 2") }
			switch by {
			case "who publishes has seen more":
				goBack()
				if done := say(t, b, "y", keeps); done.Epoch == position.Epoch || done.Offset != 1 {
					t.Errorf("published at %v, after 5 were seen in %v", done.Position, position.Epoch)
				}
			case "who is connected again has seen more":
				l.Cut()
				goBack()
				l.Mend()
				eventually(t, "an interruption is told", func() bool { _, n, _ := sink.counts(); return n > 0 })
			case "the numbering went past":
				l.Cut()
				goBack()
				for range 4 {
					if done := say(t, other, "y", keeps); done.Epoch != position.Epoch {
						t.Fatalf("published at %v by one who cannot know better", done.Position)
					}
				}
				l.Mend()
				eventually(t, "an interruption is told", func() bool { _, n, _ := sink.counts(); return n > 0 })
			}
			h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 10, Retention: keeps.Retention})
			if err != nil || h.Top.Epoch == position.Epoch {
				t.Errorf("the epoch is still that of %v: %v, %v", position, h.Top, err)
			}
		})
	}
}

// A server that comes back with nothing may have a clock that is behind the one of the server before.
func TestANewNumberingIsNoticedAlthoughTheClockHasGoneBack(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	b, sink := start(t, o)
	other, _ := start(t, o)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	r.Do(fmt.Sprint("HSET ", o.Prefix, ":{0}:n:lobby t ", time.Now().Add(time.Hour).UnixMicro()))
	say(t, other, "by a clock that is ahead", keeps)
	eventually(t, "it is delivered", func() bool { n, _, _ := sink.counts(); return n == 1 })
	r.Flush()
	say(t, other, "by a clock that is right", keeps)
	eventually(t, "it is delivered, or an interruption is told", func() bool { n, interrupted, _ := sink.counts(); return n+interrupted > 1 })
	before, _, _ := sink.counts()
	say(t, other, "and another", keeps)
	eventually(t, "what follows is delivered", func() bool { n, _, _ := sink.counts(); return n > before })
}

// A server that may evict what it likes, or somebody who tidies up, can leave publications of a numbering that is gone.
func TestANewNumberingHasNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	b, _ := start(t, o)
	for range 3 {
		say(t, b, "before", keeps)
	}
	r.Do("DEL " + o.Prefix + ":{0}:n:lobby")
	for range 2 {
		say(t, b, "after", keeps)
	}
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 10, Retention: keeps.Retention})
	if err != nil || h.Top.Offset != 2 || len(h.Publications) != 2 {
		t.Errorf("two were published, and the history is %+v, %v", h, err)
	}
}

func TestAPublicationWaitsForTheServerAndIsPublishedOnce(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{Durable: true})
	l := servers.NewLink(t, r.Addr)
	o := options("redis://" + l.Addr)
	o.PublishWait, o.Timeout = 30*time.Second, 3*time.Second
	b, _ := start(t, o)
	for round, fault := range []func(){l.Cut, l.Stall} {
		const count = 50
		var publishing sync.WaitGroup
		for i := range count {
			publishing.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				s := keeps
				if i%2 == 0 {
					s.IdempotencyKey, s.Window = fmt.Sprint("key", round, i), time.Hour
				}
				if done := say(t, b, fmt.Sprint(round, "/", i), s); done.Duplicate {
					t.Errorf("what was published once is called a duplicate: %v", done)
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		fault()
		time.Sleep(1500 * time.Millisecond)
		l.Mend()
		publishing.Wait()
	}
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 1000, Retention: keeps.Retention})
	if err != nil {
		t.Fatal(err)
	}
	if h.Top.Offset != 100 || len(h.Publications) != 100 {
		t.Errorf("100 publications are at %v, %d are kept", h.Top, len(h.Publications))
	}
}

// A server that is full may be given more room, or room may be made in it.
func TestAPublicationWaitsForRoom(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	impatient, _ := start(t, o)
	o.PublishWait = time.Minute
	b, _ := start(t, o)
	r.Do("CONFIG SET maxmemory 1")
	_, err := impatient.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, keeps)
	if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.Unavailable {
		t.Errorf("publishing to a server that is full: %v", err)
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { say(t, b, "x", keeps) })
	eventually(t, "it is tried again", func() bool { return b.Stats().Retries > 0 })
	r.Do("CONFIG SET maxmemory 0")
	publishing.Wait()
}

func TestASeriesWaitsForTheServerAndIsPublishedOnceInOrder(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{Durable: true})
	l := servers.NewLink(t, r.Addr)
	o := options("redis://" + l.Addr)
	o.PublishWait, o.Timeout = 30*time.Second, 3*time.Second
	b, _ := start(t, o)
	const series, each = 60, 16
	all := hub.Storing{Retention: hub.Retention{Count: series * each, Age: time.Hour}}
	published := make(chan int, series)
	go func() {
		for n := range series {
			var said []*hub.Publication
			for i := range each {
				said = append(said, &hub.Publication{Channel: "lobby", Payload: fmt.Append(nil, n*each+i)})
			}
			done, err := b.PublishSeries(t.Context(), said, all)
			if err != nil {
				t.Errorf("series %d: %v", n, err)
			}
			published <- len(done)
		}
		close(published)
	}()
	for _, fault := range []func(){l.Stall, l.Cut} {
		for range series / 3 {
			<-published
		}
		fault()
		time.Sleep(1500 * time.Millisecond)
		l.Mend()
	}
	for count := range published {
		if count != each {
			t.Errorf("%d of a series were published", count)
		}
	}
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 1000, Retention: all.Retention})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Publications) != series*each {
		t.Errorf("%d are kept of %d", len(h.Publications), series*each)
	}
	for i, p := range h.Publications {
		if p.Offset != uint64(i+1) || string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("at offset %d is %q, where %d is due", p.Offset, p.Payload, i)
		}
	}
}

func TestAnOutageIsToldAndAnErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	o.Timeout, o.Expiry = 3*time.Second, 3*time.Second
	b, _ := start(t, o)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is well", func() bool { return b.Health() == nil })
	r.Kill()
	eventually(t, "it is not well", func() bool { return b.Health() != nil })
	_, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, keeps)
	if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.Unavailable {
		t.Errorf("publishing without a server: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Subscribe(ctx, "other", keeps.Retention); err == nil {
		t.Error("subscribed without a server")
	}
	r.Start()
	eventually(t, "it is well again", func() bool { return b.Health() == nil })
	if n := b.Stats(); n.Failed != 1 || n.Channels != 1 || n.Reconnects == 0 || n.Connected != 1 || n.Interrupted == 0 {
		t.Errorf("%+v", n)
	}
}

func TestMembersComeBackToAServerThatForgotThem(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	o.Expiry = 3 * time.Second
	b, sink := start(t, o)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	if err := b.Join(t.Context(), "lobby", hub.Member{Session: "s1", User: "ann"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "her coming is told", func() bool { _, _, n := sink.counts(); return n == 1 })
	r.Flush()
	eventually(t, "she is there again", func() bool {
		p, err := b.Presence(t.Context(), "lobby", 10)
		return err == nil && p.Sessions == 1 && len(p.Members) == 1 && p.Members[0].User == "ann"
	})
	if _, _, n := sink.counts(); n != 1 {
		t.Errorf("%d events are told of one who never left", n)
	}
}

// Clients may ask who is in a channel of very many, all at once.
func TestThoseWhoAskForMembersAtOnceShareAnAnswer(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	b, _ := start(t, options(r.URL()))
	if err := b.Join(t.Context(), "lobby", hub.Member{Session: "s1", User: "ann"}); err != nil {
		t.Fatal(err)
	}
	r.Freeze()
	var asking sync.WaitGroup
	for i := range 100 {
		asking.Go(func() {
			p, err := b.Presence(t.Context(), "lobby", 1+i)
			if err != nil || p.Sessions != 1 || len(p.Members) != 1 || p.Members[0].User != "ann" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	r.Thaw()
	asking.Wait()
	n, err := strconv.Atoi(r.Do(`EVAL "return string.match(redis.call('INFO', 'commandstats'), 'cmdstat_hvals:calls=(%d+)')" 0`))
	if err != nil || n < 1 || n > 10 {
		t.Errorf("the server was asked %d times by 100 who ask at once, %v", n, err)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	r.Kill()
	b := newBroker(t, options(r.URL()))
	if err := b.Start(new(recorder)); err == nil || !strings.Contains(err.Error(), r.Addr) {
		t.Errorf("started without a server: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
