package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestWhatOneSaysAllHear(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	handler, err := loop.New(broadcast(), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	var clients []*websocket.Conn
	for range 3 {
		c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		// A message of its own that comes back shows that the server has it among those who hear.
		if err := c.Write(ctx, websocket.Text, []byte("here")); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		for _, other := range clients {
			hears(ctx, t, other, websocket.Text, "here")
		}
	}
	if err := clients[1].Write(ctx, websocket.Binary, []byte{0, 1, 255}); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		hears(ctx, t, c, websocket.Binary, "\x00\x01\xff")
	}
	clients[0].CloseNow()
	if err := clients[2].Write(ctx, websocket.Text, []byte("still here?")); err != nil {
		t.Fatal(err)
	}
	hears(ctx, t, clients[1], websocket.Text, "still here?")
}

func hears(ctx context.Context, t *testing.T, c *websocket.Conn, typ websocket.MessageType, want string) {
	t.Helper()
	if got, data, err := c.Read(ctx); err != nil || got != typ || string(data) != want {
		t.Fatalf("heard %v %q, %v; want %q", got, data, err, want)
	}
}
