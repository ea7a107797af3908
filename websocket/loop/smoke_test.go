package loop_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestSmoke(t *testing.T) {
	for _, g := range []bool{false, true} {
		for _, mode := range []websocket.CompressionMode{0, 1, 2} {
			var closed atomic.Int32
			s, err := loop.New(loop.Handler{
				Message: func(c *loop.Conn, typ websocket.MessageType, p []byte) { c.Write(typ, p) },
				Close:   func(c *loop.Conn, err error) { t.Log(err); closed.Add(1) },
			}, &loop.Options{Goroutines: g, Accept: websocket.AcceptOptions{Compression: websocket.Compression{Mode: mode}}, Outbox: loop.Outbox{Bytes: 4 << 20}})
			if err != nil {
				t.Fatal(err)
			}
			hs := httptest.NewServer(s)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			c, _, err := websocket.Dial(ctx, strings.Replace(hs.URL, "http", "ws", 1), &websocket.DialOptions{Compression: websocket.Compression{Mode: mode}})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{0, 1, 125, 126, 1000, 65535, 65536, 300000, 1 << 20} {
				want := bytes.Repeat([]byte("abcdefg"), n/7+1)[:n]
				if err := c.Write(ctx, websocket.Text, want); err != nil {
					t.Fatal(n, err)
				}
				typ, got, err := c.Read(ctx)
				if err != nil || typ != websocket.Text || !bytes.Equal(got, want) {
					t.Fatal(n, typ, len(got), err)
				}
			}
			if d, err := func() (time.Duration, error) { c.CloseRead(ctx); return c.Ping(ctx) }(); err != nil {
				t.Error(d, err)
			}
			if err := c.Close(1000, "bye"); err != nil {
				t.Error(err)
			}
			c, _, err = websocket.Dial(ctx, strings.Replace(hs.URL, "http", "ws", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			go s.Shutdown(ctx)
			_, _, err = c.Read(ctx)
			t.Log("client", err)
			time.Sleep(100 * time.Millisecond)
			t.Logf("%+v %d", s.Stats(), closed.Load())
			cancel()
		}
	}
}
