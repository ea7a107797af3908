package loop_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestMany(t *testing.T) {
	s, err := loop.New(loop.Handler{
		Message: func(c *loop.Conn, typ websocket.MessageType, p []byte) { c.Write(typ, p) },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(s)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			c, _, err := websocket.Dial(ctx, strings.Replace(hs.URL, "http", "ws", 1), nil)
			if err != nil {
				t.Error(i, err)
				return
			}
			for n := range 20 {
				want := fmt.Sprintf("%d-%d", i, n)
				if err := c.Write(ctx, websocket.Text, []byte(want)); err != nil {
					t.Error(i, n, err)
					return
				}
				_, got, err := c.Read(ctx)
				if err != nil || string(got) != want {
					t.Error(i, n, string(got), err)
					return
				}
			}
			c.Close(1000, "")
		})
	}
	wg.Wait()
	s.Shutdown(ctx)
}
