package loop_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// A function of Go that returns at once races with the loop that has just noticed the pause. What was received before must
// still be delivered before what comes next.
func TestOrderIsKeptAcrossShortPauses(t *testing.T) {
	for _, goroutines := range []bool{false, true} {
		t.Run(fmt.Sprintf("goroutines=%v", goroutines), func(t *testing.T) {
			const messages = 50_000
			next, lost, done := 0, false, make(chan error, 1)
			s, err := loop.New(loop.Handler{Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
				if want := fmt.Sprint(next); string(payload) != want && !lost {
					lost = true
					done <- fmt.Errorf("message %s came when %s was due", payload, want)
				}
				if next++; next == messages && !lost {
					done <- nil
				}
				if next%50 == 0 {
					c.Go(func() {})
				}
			}}, &loop.Options{Goroutines: goroutines, Loops: 1})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(s)
			defer server.Close()
			defer s.Shutdown(t.Context())
			c, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			c.Cork()
			for i := range messages {
				if err := c.Write(t.Context(), websocket.Text, fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Uncork(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Error("some messages never came")
			}
		})
	}
}
