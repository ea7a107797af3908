package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// TestTwoTalkInARoom has two clients speak the wire.
func TestTwoTalkInARoom(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.New(h, socketio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chat(io)
	server := httptest.NewServer(io)
	defer server.Close()
	ann, bob := dial(t, server.URL), dial(t, server.URL)
	ann.say(`421["join-room","lobby","ann"]`)
	ann.say(`422["chat-message",{"room":"lobby","from":"ann","text":"alone"}]`)
	ann.hear(`42["new-message",{"Room":"lobby","From":"ann","Text":"alone"}]`)
	ann.hear(`432["ok"]`)
	bob.say(`42["join-room","lobby","bob"]`)
	ann.hear(`42["joined","bob"]`)
	ann.say(`42["chat-message",{"room":"lobby","from":"ann","text":"hi"}]`)
	bob.hear(`42["new-message",{"Room":"lobby","From":"ann","Text":"hi"}]`)
	bob.CloseNow()
	ann.hear(`42["new-message",{"Room":"lobby","From":"ann","Text":"hi"}]`)
	ann.hear(`42["left","bob"]`)
}

type peer struct {
	*websocket.Conn
	t *testing.T
}

func dial(t *testing.T, url string) peer {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	p := peer{conn, t}
	p.hear(`0{"sid":`)
	p.say("40")
	p.hear(`40{"sid":`)
	return p
}

func (p peer) say(packet string) {
	p.t.Helper()
	if err := p.Write(p.t.Context(), websocket.Text, []byte(packet)); err != nil {
		p.t.Fatal(err)
	}
}

// hear reads a packet, which begins as given.
func (p peer) hear(want string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	_, got, err := p.Read(ctx)
	if err != nil || !strings.HasPrefix(string(got), want) {
		p.t.Fatalf("%q (%v) came instead of %q", got, err, want)
	}
}

// TestWhatIsRefusedIsNotOK has a client send to a room without a name, and leave two rooms by going.
func TestWhatIsRefusedIsNotOK(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.New(h, socketio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chat(io)
	server := httptest.NewServer(io)
	defer server.Close()
	ann, bob := dial(t, server.URL), dial(t, server.URL)
	ann.say(`421["chat-message",{"room":"","text":"x"}]`)
	ann.hear(`431[{"error":`)
	ann.say(`42["join-room","lobby","ann"]`)
	ann.say(`422["chat-message",{"room":"elsewhere","text":"x"}]`)
	ann.hear(`432["ok"]`)
	bob.say(`42["join-room","","bob"]`)
	bob.say(`42["join-room","lobby","bob"]`)
	ann.hear(`42["joined","bob"]`)
	bob.say(`42["join-room","lobby","bob"]`)
	ann.hear(`42["joined","bob"]`)
	bob.CloseNow()
	ann.hear(`42["left","bob"]`)
	ann.say(`423["chat-message",{"room":"elsewhere","text":"x"}]`)
	ann.hear(`433["ok"]`) // and bob has not left twice
}
