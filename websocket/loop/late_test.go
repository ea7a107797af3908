package loop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// A handshake that has begun before Shutdown may end after Shutdown has looked who is there.
func TestConnectionThatArrivesDuringShutdownIsClosedToo(t *testing.T) {
	for _, goroutines := range []bool{false, true} {
		s, err := loop.New(loop.Handler{}, &loop.Options{Goroutines: goroutines})
		if err != nil {
			t.Fatal(err)
		}
		shutdown := make(chan error, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Accept(w, r, func(*loop.Conn) { // the client is let in, and nobody has been told of it
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				go func() {
					defer cancel()
					shutdown <- s.ShutdownPaced(ctx, loop.Drain{Code: websocket.StatusServiceRestart, Reason: "bye"})
				}()
				time.Sleep(100 * time.Millisecond) // it has looked by now
			})
		}))
		c, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
			t.Errorf("goroutines %v: the client saw %v, want 1012", goroutines, err)
		}
		if err := <-shutdown; err != nil {
			t.Errorf("goroutines %v: shutdown returned %v", goroutines, err)
		}
		server.Close()
	}
}
