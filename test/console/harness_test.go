//go:build linux

package console

import (
	"context"
	"log"
	"os"
	"testing"
	"time"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the tests again when the server or the console has changed
	"github.com/ringdown/ringdown/test/chromium"
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/web"
	"github.com/ringdown/ringdown/websocket"
)

func TestMain(m *testing.M) {
	if !web.Embedded().Built() {
		log.Fatal("the console is not built; run `make pages`")
	}
	os.Exit(node.Run(m))
}

const token = "a-token-of-the-console"

// console is a tab that shows it.
type console struct {
	*chromium.Tab
	t      *testing.T
	server *servers.Ringdown
}

// start starts a node, and opens its console in a browser. options are what Playwright calls those of a new context.
func start(t *testing.T, options ...chromium.Args) *console {
	t.Helper()
	server := servers.StartRingdown(t, "--set", "console.token="+token)
	return &console{chromium.Open(t, "console", server.Addr, at("token="+token), options...), t, server}
}

// at is the path of a view, "/sessions" for instance.
func at(view string) string { return "/console/#" + view }

// goes opens a view by its address.
func (c *console) goes(view string) {
	c.t.Helper()
	c.Go(at(view))
}

// soon bounds what takes milliseconds on a machine that is not busy.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// client connects to a channel.
func (c *console) client(channel string) *websocket.Conn {
	c.t.Helper()
	conn, _, err := websocket.Dial(soon(c.t), "ws://"+c.server.Addr+"/channels/"+channel, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// hears waits for a message.
func (c *console) hears(conn *websocket.Conn, text string) {
	c.t.Helper()
	for {
		_, data, err := conn.Read(soon(c.t))
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", text, err)
		}
		if string(data) == text {
			return
		}
	}
}
