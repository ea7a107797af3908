package native_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/websocket"
)

// A slow machine may tell everybody later, but none may hear earlier than an even spread has it.
func TestAGoodbyeIsSpreadOverTheWindowAndSaysWhenToComeBack(t *testing.T) {
	const clients, window = 100, 800 * time.Millisecond
	n := start(t, native.Options{})
	var mu sync.Mutex
	var heard []time.Time
	returns := make(map[float64]bool)
	var all sync.WaitGroup
	for range clients {
		c := n.greeted("")
		all.Go(func() {
			bye := c.expect("disconnect")
			mu.Lock()
			heard = append(heard, time.Now())
			returns[bye.Retry] = true
			mu.Unlock()
			if code := websocket.CloseStatus(c.ended()); code != websocket.StatusServiceRestart || bye.Retry > window.Seconds() {
				t.Errorf("closed with %d, told to come back after %v s", code, bye.Retry)
			}
		})
	}
	began := time.Now()
	if err := n.gateway.ShutdownOver(t.Context(), window); err != nil {
		t.Error(err)
	}
	all.Wait()
	slices.SortFunc(heard, time.Time.Compare)
	for i := range heard {
		at := heard[i].Sub(began)
		if due := window * time.Duration(i) / clients; at < due-60*time.Millisecond { // they go in rounds of 20 ms
			t.Errorf("client %d of %d was told after %v; evenly spread it is %v", i, clients, at, due)
		}
	}
	if len(returns) < clients/4 { // of 80 that retry_after can say
		t.Errorf("the clients were told %d different times", len(returns))
	}
}
