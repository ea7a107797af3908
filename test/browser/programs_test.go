//go:build linux

// The programs beside the pages.

package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	ringdown "github.com/ringdown/ringdown/client"
	_ "github.com/ringdown/ringdown/server" // so that go test runs the tests again when the server or a page has changed
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/websocket"
)

func TestMain(m *testing.M) { os.Exit(node.Run(m)) }

// post publishes.
func post(t *testing.T, url, contentType, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("POST %s: %s, %v\n%s", url, response.Status, err, answer)
	}
}

// waitSubscribers waits until so many clients are in a channel, beside a program that counts them.
func waitSubscribers(t *testing.T, server *servers.Ringdown, channel string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := ringdown.Dial(ctx, "ws://"+server.Addr+"/connect", ringdown.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Subscribe(ctx, channel, ringdown.SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	for {
		present, err := c.Presence(ctx, channel, 0)
		if err != nil {
			t.Fatalf("waiting for %d subscribers of %s: %v", want, channel, err)
		}
		if present.Sessions-1 >= want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// client is a program that has joined a channel over a bare WebSocket.
type client struct{ *websocket.Conn }

func join(t *testing.T, addr, channel string) client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/channels/%s", addr, channel), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return client{c}
}

func (c client) say(t *testing.T, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear is the next message of the channel.
func (c client) hear(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, message, err := c.Read(ctx)
	if err != nil {
		t.Fatalf("waiting for a message: %v", err)
	}
	return string(message)
}
