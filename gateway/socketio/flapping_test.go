// Clients that lose their connections all the time, while others publish: each sees everything once, in order.

package socketio_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

func TestClientsThatFlapSeeEverythingOnce(t *testing.T) {
	n := start(t, socketio.Options{Recovery: &socketio.Recovery{}})
	if err := n.hub.SetRules([]hub.Rule{{Pattern: "*", History: hub.Retention{Count: 100_000, Age: patience * 60}}}); err != nil {
		t.Fatal(err)
	}
	const clients, rounds = 8, 12
	joined := make(chan struct{}, clients*(rounds+1))
	n.OnConnection(func(s *socketio.Socket) {
		if !s.Recovered() {
			s.Join("room")
			s.Emit("joined", 0)
			joined <- struct{}{}
		}
	})
	seen := make([]atomic.Int64, clients)
	stop := make(chan struct{})
	var publishing, reading sync.WaitGroup
	publishing.Go(func() {
		for range clients { // who comes later than what the others have been sent would wait for more of it, and it for them
			select {
			case <-joined:
			case <-stop:
				return
			}
		}
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			for i%100 == 0 && i > slowest(seen)+2000 { // no more than history would be read for
				time.Sleep(time.Millisecond)
			}
			if err := n.To("room").Emit("n", i); err != nil {
				t.Error(err)
				return
			}
			if i%50 == 0 { // one that goes to each socket alone
				for _, s := range n.Sockets() {
					s.EmitVolatile("beside", i)
				}
			}
		}
	})
	for c := range clients {
		reading.Go(func() {
			defer seen[c].Store(math.MaxInt)
			flap(t, n, c, rounds, &seen[c])
		})
	}
	reading.Wait()
	close(stop)
	publishing.Wait()
	if s := n.Stats(); s.Unrecovered > 0 || s.Recovered != clients*rounds {
		t.Errorf("%d recovered, %d did not", s.Recovered, s.Unrecovered)
	}
}

// slowest is the least that a client has seen.
func slowest(seen []atomic.Int64) int {
	least := int64(math.MaxInt / 2)
	for i := range seen {
		least = min(least, seen[i].Load())
	}
	return int(least)
}

// flap reads numbers, which must count up by one, over many connections; some of which it leaves without a word.
func flap(t *testing.T, n *node, client, rounds int, seen *atomic.Int64) {
	var me accepted
	offset, last := "", 0
	for round := range rounds + 1 {
		p := n.dial(t)
		p.ask("/", back(me, offset))
		for read, greeted, done := 0, false, false; !done; {
			packet := p.next()
			if data, ok := strings.CutPrefix(packet, "40"); ok {
				var again accepted
				if json.Unmarshal([]byte(data), &again); round > 0 && again != me {
					t.Errorf("client %d, round %d: %+v instead of %+v", client, round, again, me)
					return
				}
				me, greeted = again, true
				continue
			}
			var args []any
			if err := json.Unmarshal([]byte(strings.TrimPrefix(packet, "42")), &args); err != nil || len(args) != 3 {
				t.Errorf("%q: %v", packet, err)
				return
			}
			offset = fmt.Sprint(args[2])
			if args[0] != "n" {
				continue
			}
			i := int(args[1].(float64))
			if last != 0 && i != last+1 {
				t.Errorf("client %d, round %d: %d after %d", client, round, i, last)
				return
			}
			last = i
			seen.Store(int64(i))
			read++
			done = (greeted || round > 0 && round < rounds) && read >= 20+7*client // it may leave before it is greeted, but for the last time
		}
		if round%2 == client%2 {
			p.close()
		}
	}
}
