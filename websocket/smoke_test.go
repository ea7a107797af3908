package websocket_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

func TestSmoke(t *testing.T) {
	for _, mode := range []websocket.CompressionMode{0, 1, 2} {
		h := websocket.Handler(func(c *websocket.Conn) {
			for m, err := range c.Messages(context.Background()) {
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
					t.Error(err)
					return
				}
			}
		}, &websocket.AcceptOptions{Compression: websocket.Compression{Mode: mode}})
		s := httptest.NewServer(h)
		defer s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c, _, err := websocket.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1), &websocket.DialOptions{Compression: websocket.Compression{Mode: mode}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Compressed() != (mode > 0) {
			t.Error("compressed", c.Compressed())
		}
		go func() {}()
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
		if err := c.Close(1000, "bye"); err != nil {
			t.Error(err)
		}
	}
}
