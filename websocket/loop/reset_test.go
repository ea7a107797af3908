package loop_test

import (
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"context"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// A reset cannot be masked in epoll, so it is read during a pause, together with what was sent before it.
func TestResetDuringAPauseLosesNothingInBetween(t *testing.T) {
	release := make(chan struct{})
	var got []string
	closed := make(chan struct{})
	s, err := loop.New(loop.Handler{
		Message: func(c *loop.Conn, _ websocket.MessageType, payload []byte) {
			if got = append(got, string(payload)); len(got) == 1 {
				c.Go(func() { <-release })
			}
		},
		Close: func(*loop.Conn, error) { close(closed) },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	server := httptest.NewServer(s)
	defer server.Close()
	var line *net.TCPConn
	c, _, err := websocket.Dial(t.Context(), "ws"+server.URL[4:], &websocket.DialOptions{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			line, _ = conn.(*net.TCPConn)
			return conn, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(texts ...string) {
		c.Cork()
		for _, text := range texts {
			c.Write(t.Context(), websocket.Text, []byte(text))
		}
		c.Uncork(t.Context())
	}
	send("a", "b", "c")
	time.Sleep(100 * time.Millisecond)
	send("d", "e")
	time.Sleep(100 * time.Millisecond)
	line.SetLinger(0)
	c.CloseNow()
	time.Sleep(100 * time.Millisecond)
	close(release)
	<-closed
	if whole := []string{"a", "b", "c", "d", "e"}; !slices.Equal(got, whole[:len(got)]) {
		t.Errorf("delivered %q of %q", got, whole)
	}
}
