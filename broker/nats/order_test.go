package nats

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/hub"
)

// heard is a sink that notes the offsets of what it is delivered.
type heard struct {
	hub.Sink
	offsets     []uint64
	interrupted int
}

func (h *heard) Deliver(p *hub.Publication) { h.offsets = append(h.offsets, p.Offset) }
func (h *heard) Interrupted(string)         { h.interrupted++ }

// storedStream is a stream that has what is in it, by sequence.
type storedStream struct {
	jetstream.Stream
	messages map[uint64][]byte
}

func (s storedStream) GetMsg(_ context.Context, after uint64, _ ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	for seq := after; seq < 100; seq++ {
		if b := s.messages[seq]; b != nil {
			return &jetstream.RawStreamMsg{Sequence: seq, Data: b}, nil
		}
	}
	return nil, jetstream.ErrMsgNotFound
}

// bench is a broker without a server, with a live subscription to "lobby" at offset 0.
func bench(t *testing.T) (*Broker, *subscription, *heard) {
	t.Helper()
	b, err := New(Options{URL: "nats://127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	h := new(heard)
	b.sink = h
	s := &subscription{broker: b, channel: "lobby", coming: &nats.Subscription{Subject: b.names.liveOf("lobby")}, settled: make(chan struct{}, 1), standing: live,
		known: true, at: place{Position: hub.Position{Epoch: "e"}, seq: 10, time: time.UnixMicro(10)}}
	b.subscriptions.all[token("lobby")] = s
	return b, s, h
}

// numbered is the message at an offset, which is stored at ten times that and ten.
func numbered(offset uint64) (seq uint64, body []byte) {
	at := place{Position: hub.Position{Epoch: "e", Offset: offset}, time: time.UnixMicro(int64(10 + offset))}
	body = appendSaid(appendMessage(nil, "", at), at.Position, at.time, contentOf(&hub.Publication{Payload: []byte("x")}))
	return 10*offset + 10, body
}

func (s *subscription) comes(offset uint64) {
	seq, body := numbered(offset)
	m := nats.NewMsg(s.broker.names.live + "lobby." + said)
	m.Sub, m.Data = s.coming, body
	m.Header.Set("Nats-Sequence", strconv.FormatUint(seq, 10))
	s.broker.receive(m)
}

// Servers of 2.9 repeat messages in another order than they store them in, once in ten thousand.
func TestWhatIsRepeatedOutOfOrderIsDeliveredInOrder(t *testing.T) {
	for _, order := range [][]uint64{{1, 3, 2, 4}, {2, 1, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {1, 4}, {1, 2, 2, 3, 1, 4}} {
		b, s, h := bench(t)
		all := make(map[uint64][]byte)
		for offset := range uint64(5) {
			if offset > 0 {
				seq, body := numbered(offset)
				all[seq] = body
			}
		}
		b.streams.Store(&streams{channels: storedStream{messages: all}})
		for _, offset := range order {
			s.comes(offset)
		}
		if err := s.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(h.offsets, []uint64{1, 2, 3, 4}) || s.standing != live || h.interrupted > 0 {
			t.Errorf("of %v, %v is delivered; interrupted %d times", order, h.offsets, h.interrupted)
		}
		if held := b.holding.Load(); held != 0 {
			t.Errorf("of %v, %d bytes are still held", order, held)
		}
	}
}

// Whoever makes a numbering stores a message without publications; that may come before it is asked where the channel is, or after.
func TestANewNumberingIsToldThoughNothingIsPublishedInIt(t *testing.T) {
	for _, when := range []standing{live, asking} {
		b, s, h := bench(t)
		s.standing = when
		now := place{Position: hub.Position{Epoch: "f"}, seq: 10, time: time.UnixMicro(20)}
		m := nats.NewMsg(b.names.live + "lobby." + said)
		m.Sub, m.Data = s.coming, appendMessage(nil, "", now)
		m.Header.Set("Nats-Sequence", "10")
		b.receive(m)
		if when == asking {
			s.answered(s.lost, now, new(snapshot))
		}
		if h.interrupted != 1 || s.at.Position != now.Position {
			t.Errorf("standing %d: it is told %d times, at %v", when, h.interrupted, s.at.Position)
		}
	}
}

// Whoever begins a numbering after a loss may have a clock that is behind those of the publishers before. The server knows which one is the present.
func TestANewNumberingIsNoticedWhateverTheClockOfItsPublisher(t *testing.T) {
	b, s, h := bench(t)
	publication := func(epoch string, offset uint64, micro int64) {
		at := place{Position: hub.Position{Epoch: epoch, Offset: offset}, time: time.UnixMicro(micro)}
		m := nats.NewMsg(b.names.live + "lobby." + said)
		m.Sub = s.coming
		m.Data = appendSaid(appendMessage(nil, "", at), at.Position, at.time, contentOf(&hub.Publication{Payload: []byte("x")}))
		m.Header.Set("Nats-Sequence", strconv.FormatUint(offset+100, 10))
		b.receive(m)
	}
	publication("e", 1, 1000)
	publication("f", 1, 500) // is in doubt, and the server is asked
	publication("f", 2, 501)
	publication("e", 2, 1001) // was on its way
	s.answered(s.lost, place{Position: hub.Position{Epoch: "f", Offset: 1}, seq: 101, time: time.UnixMicro(500)}, new(snapshot))
	publication("f", 3, 502)
	if s.standing != live { // the server is asked about what was on its way
		s.answered(s.lost, place{Position: hub.Position{Epoch: "f", Offset: 2}, seq: 102, time: time.UnixMicro(501)}, new(snapshot))
	}
	if !slices.Equal(h.offsets, []uint64{1, 2, 3}) || h.interrupted != 1 || s.at.Epoch != "f" || s.standing != live {
		t.Errorf("%v is delivered, %d interruptions are told, and the channel is at %v", h.offsets, h.interrupted, s.at.Position)
	}
}

// A hole that the stream does not fill either is delivered as one, for the hub to see.
func TestAPublicationThatIsNoLongerKeptDoesNotStopTheNext(t *testing.T) {
	b, s, h := bench(t)
	seq, body := numbered(3)
	b.streams.Store(&streams{channels: storedStream{messages: map[uint64][]byte{seq: body}}})
	s.comes(1)
	s.comes(3)
	if err := s.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.offsets, []uint64{1, 3}) || s.standing != live {
		t.Errorf("%v is delivered", h.offsets)
	}
}

func TestOnlySoMuchIsHeldWhileAPositionIsAskedFor(t *testing.T) {
	b, s, _ := bench(t)
	s.standing = asking
	b.holding.Store(maxHolding - weight - 200) // by other channels
	s.comes(1)
	if len(s.held) != 1 || s.overflowed {
		t.Fatalf("%d are held", len(s.held))
	}
	s.comes(2)
	if len(s.held) != 1 || !s.overflowed {
		t.Errorf("%d are held beyond the limit", len(s.held))
	}
	b.unsubscribeQuietly(s)
	if got := b.holding.Load(); got != maxHolding-weight-200 {
		t.Errorf("%d bytes are held after it was left", got)
	}
}

// unsubscribeQuietly is what Unsubscribe does beside telling the server.
func (b *Broker) unsubscribeQuietly(s *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = left
	s.unhold()
}

func TestALaneHoldsOnlySoManyBytesAndTellsWhatItDropped(t *testing.T) {
	l := newLane(3 * (weight + 100))
	one, two := new(nats.Subscription), new(nats.Subscription)
	for i := range 6 {
		l.add(&nats.Msg{Sub: one, Data: make([]byte, 100), Subject: fmt.Sprint(i)})
	}
	l.add(&nats.Msg{Sub: two}) // there would be no room for it in its place
	items, lost, _ := l.take()
	if len(items) != 3 || items[2].Subject != "2" || len(lost) != 2 || !lost[one] || !lost[two] {
		t.Fatalf("%d are taken, of %d subscriptions something was dropped", len(items), len(lost))
	}
	l.add(&nats.Msg{Sub: one, Data: make([]byte, 10_000)}) // one is always taken
	if items, lost, _ := l.take(); len(items) != 1 || lost != nil {
		t.Errorf("later %d are taken, %d dropped", len(items), len(lost))
	}
}

func TestALaneHandsOutInOrderUntilItEnds(t *testing.T) {
	l := newLane(laneBytes)
	var goroutines sync.WaitGroup
	var got []string
	l.start(&goroutines, func(m *nats.Msg) { got = append(got, m.Subject) }, func(*nats.Subscription) { t.Error("something was dropped") })
	for i := range 1000 {
		l.in <- &nats.Msg{Subject: fmt.Sprint(i)}
	}
	l.in <- nil
	goroutines.Wait()
	for i, subject := range got {
		if subject != fmt.Sprint(i) {
			t.Fatalf("%s came as number %d", subject, i)
		}
	}
	if len(got) != 1000 {
		t.Errorf("%d of 1000 were handed out", len(got))
	}
}
