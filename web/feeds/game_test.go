package feeds_test

import (
	"encoding/binary"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/web/feeds"
)

// feedOf is the feed of a channel.
func feedOf(t *testing.T, channel string) feeds.Feed {
	t.Helper()
	for _, feed := range feeds.All() {
		if feed.Channel == channel {
			return feed
		}
	}
	t.Fatalf("there is no feed of %s", channel)
	return feeds.Feed{}
}

// watcher keeps the last thing that it was handed.
type watcher struct {
	mu   sync.Mutex
	last *hub.Publication
}

func (w *watcher) Receive(p *hub.Publication) hub.Reception {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = p
	return hub.Taken
}
func (*watcher) Notify(*hub.Notice) {}
func (*watcher) End(error)          {}

// disc finds a disc in the last state of the arena.
func (w *watcher) disc(t *testing.T, number uint32) (x, y float64, found bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		return 0, 0, false
	}
	b := w.last.Payload
	discs, dots := int(b[4]), int(b[5])
	if w.last.Kind != hub.Binary || len(b) != 6+10*discs+4*dots {
		t.Fatalf("a state of %d bytes with %d discs and %d dots", len(b), discs, dots)
	}
	for d := b[6:]; discs > 0; discs, d = discs-1, d[10:] {
		if binary.BigEndian.Uint32(d) == number {
			return float64(binary.BigEndian.Uint16(d[4:])) / math.MaxUint16, float64(binary.BigEndian.Uint16(d[6:])) / math.MaxUint16, true
		}
	}
	return 0, 0, false
}

func TestAPlayerMovesAsHeSteersAndGoesWhenHeIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house(t, feedOf(t, "demo:game"))
		w := new(watcher)
		s, err := h.Open(w, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Subscribe(t.Context(), "demo:game", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		const number = 4711
		say := func(dx, dy int8) {
			input := binary.BigEndian.AppendUint32(nil, number)
			p := &hub.Publication{Channel: "demo:game:inputs", Kind: hub.Binary, Payload: append(input, byte(dx), byte(dy))}
			if _, err := h.Publish(t.Context(), p, hub.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if _, _, found := w.disc(t, 1); !found {
			t.Error("nobody plays with those who are alone")
		}
		x, y, found := 1.0, 1.0, true
		for seconds := 0; x > 0 || y > 0; seconds++ { // who is eaten on the way begins again somewhere
			if seconds == 120 || !found {
				t.Fatalf("after %d seconds towards the corner the player is at %.2f, %.2f (there: %v)", seconds, x, y, found)
			}
			say(-127, -127)
			x, y, found = w.disc(t, number)
		}
		p := &hub.Publication{Channel: "demo:game:inputs", Kind: hub.Text, Payload: []byte("let me in")}
		if _, err := h.Publish(t.Context(), p, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, _, found := w.disc(t, number); found {
			t.Error("who is silent for five seconds still plays")
		}
	})
}
