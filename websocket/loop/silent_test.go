package loop_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestPeerThatNeverAnswersTheCloseFrameIsCutInTime(t *testing.T) {
	for _, goroutines := range []bool{false, true} {
		closed := make(chan error, 1)
		s, err := loop.New(loop.Handler{
			Open:  func(c *loop.Conn) { time.AfterFunc(300*time.Millisecond, func() { c.Close(1000, "") }) }, // once it has been looked at
			Close: func(_ *loop.Conn, err error) { closed <- err },
		}, &loop.Options{Goroutines: goroutines, Accept: websocket.AcceptOptions{
			Limits: websocket.Limits{CloseTimeout: 200 * time.Millisecond},
		}})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s)
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-closed:
		case <-time.After(patience):
			t.Errorf("goroutines %v: it is still there", goroutines)
		}
		conn.Close()
		server.Close()
		s.Shutdown(t.Context())
	}
}
