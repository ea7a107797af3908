package native_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func TestATokenThatTakesLongToCheckKeepsNobodyElseWaiting(t *testing.T) {
	const slow = 32 // more than there are event loops on most machines
	checking, answered := make(chan struct{}, slow), make(chan struct{})
	n := startWith(t, native.Options{}, hub.Options{Authenticate: func(context.Context, *hub.Session, string) (hub.Identity, error) {
		checking <- struct{}{}
		<-answered
		return hub.Identity{User: "ann"}, nil
	}})
	answer := sync.OnceFunc(func() { close(answered) })
	defer answer()
	dial := func() *websocket.Conn {
		c, _, err := websocket.Dial(t.Context(), n.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	other := dial()
	all := make([]*websocket.Conn, slow)
	for i := range all {
		all[i] = dial()
		if err := all[i].Write(t.Context(), websocket.Text, []byte(`[{"type":"authenticate","token":"x"},{"type":"ping"}]`)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := other.Write(ctx, websocket.Text, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	for want := range 2 { // welcome and pong
		if _, message, err := other.Read(ctx); err != nil {
			t.Fatalf("message %d of another client: %s, %v", want, message, err)
		}
	}
	for range all {
		select {
		case <-checking:
		case <-ctx.Done():
			t.Fatal("not every token is being checked")
		}
	}
	answer()
	for _, c := range all {
		for _, want := range []string{`"welcome"`, `"authenticated"`, `"pong"`} { // what follows a token waits for it
			if _, message, err := c.Read(ctx); err != nil || !strings.Contains(string(message), want) {
				t.Fatalf("%s, %v; want %s", message, err, want)
			}
		}
	}
}
