//go:build linux

package redis_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// When a slot of a cluster moves, its server ends the subscriptions there without being asked to.
func TestASlotThatMovesTakesItsSubscribersAlong(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, 3)
	o := options(c.URL())
	o.PublishWait = 30 * time.Second
	b, sink := start(t, o)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	var publishing sync.WaitGroup
	stop := make(chan struct{})
	published := 0
	publishing.Go(func() {
		for ; ; published++ {
			select {
			case <-stop:
				return
			default:
				if _, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte(fmt.Sprint(published))}, keeps); err != nil {
					t.Errorf("publishing: %v", err)
					return
				}
			}
		}
	})
	eventually(t, "publishing is under way", func() bool { n, _, _ := sink.counts(); return n > 20 })
	for partition := range 64 { // that of the channel is among them
		c.MoveSlotOf(fmt.Sprintf("%s:{%d}:nodes", o.Prefix, partition))
	}
	before, _, _ := sink.counts()
	eventually(t, "publications come from the new server", func() bool { n, _, _ := sink.counts(); return n > before+20 })
	close(stop)
	publishing.Wait()
	eventually(t, "the last one has come", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return string(sink.delivered[len(sink.delivered)-1].Payload) == fmt.Sprint(published-1)
	})
	h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 1, Retention: keeps.Retention})
	if err != nil || h.Top.Offset != uint64(published) {
		t.Errorf("%d were published, the channel is at %v: %v", published, h.Top, err)
	}
	for i, p := range sink.delivered[1:] { // there may be a hole, which the hub sees and heals
		if p.Offset <= sink.delivered[i].Offset || p.Epoch != h.Top.Epoch {
			t.Errorf("%v is delivered after %v", p.Position(), sink.delivered[i].Position())
		}
	}
}
