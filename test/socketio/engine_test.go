// The official client of Engine.IO against our server.

package socketio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/test/node"
)

// engineServer starts a server and returns its URL.
func engineServer(t *testing.T, h engineio.Handler, o engineio.Options) (*engineio.Server, string) {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := engineio.New(h, &o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		server.Shutdown(ctx)
		web.CloseClientConnections()
		web.Close()
	})
	return server, web.URL
}

// opening is how a client is opened, and what it then does.
type opening struct {
	URL     string         `json:"url"`
	Options map[string]any `json:"options"`

	Crowd    int    `json:"crowd,omitempty"`
	Count    int    `json:"count,omitempty"`
	Size     int    `json:"size,omitempty"`
	Upgrades bool   `json:"upgrades,omitempty"`
	Pings    int    `json:"pings,omitempty"`
	Say      string `json:"say,omitempty"`
}

// transports are the ways in which clients connect: what they are constructed with, and the transport that they begin and end with.
var transports = map[string]struct {
	options     map[string]any
	first, last string
}{
	"polling only":   {map[string]any{"transports": []string{"polling"}}, "polling", "polling"},
	"websocket only": {map[string]any{"transports": []string{"websocket"}}, "websocket", "websocket"},
	"upgrade":        {map[string]any{"transports": []string{"polling", "websocket"}}, "polling", "websocket"},
	"stays polling":  {map[string]any{"transports": []string{"polling", "websocket"}, "upgrade": false}, "polling", "polling"},
}

// conversation is what a client tells of an echo.
type conversation struct {
	First    string `json:"first"`
	Last     string `json:"last"`
	Messages int    `json:"messages"`
}

func TestEngineClientsHearTheirEchoes(t *testing.T) {
	client := node.Start(t, "engine.js")
	for name, way := range transports {
		for kind, o := range map[string]opening{
			"one":         {Count: 1},
			"many":        {Count: 500},
			"large":       {Count: 4, Size: 900_000 / 4 * 3}, // base64 makes 900 KB of binary ones
			"100 clients": {Crowd: 100, Count: 20},
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				server, url := engineServer(t, engineio.Handler{
					Message: func(c *engineio.Conn, binary bool, p []byte) { c.Send(binary, p) },
				}, engineio.Options{OutboxBytes: 16 << 20})
				o.URL, o.Options, o.Upgrades = url, way.options, way.first != way.last
				for _, got := range node.Call[[]conversation](t, client, "echo", o) {
					if want := (conversation{way.first, way.last, o.Count}); got != want {
						t.Errorf("%+v, want %+v", got, want)
					}
				}
				if upgraded := server.Stats().Upgraded; o.Upgrades && upgraded != uint64(max(o.Crowd, 1)) || !o.Upgrades && upgraded > 0 {
					t.Errorf("%d upgrades", upgraded)
				}
				waitForNone(t, server)
			})
		}
	}
}

// waitForNone waits until no session is left: the client has closed them all.
func waitForNone(t *testing.T, server *engineio.Server) {
	t.Helper()
	for deadline := time.Now().Add(patience); server.Stats().Sessions > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left", server.Stats().Sessions)
		}
	}
}

func TestEngineClientsStayAsLongAsTheyAnswerPings(t *testing.T) {
	client := node.Start(t, "engine.js")
	for name, way := range transports {
		_, url := engineServer(t, engineio.Handler{}, engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 20 * time.Second})
		if state := node.Call[string](t, client, "stay", opening{URL: url, Options: way.options, Pings: 4}); state != "open" {
			t.Errorf("%s: %s", name, state)
		}
	}
}

// departure is how a client tells its end.
type departure struct {
	Messages    []string `json:"messages"`
	Reason      string   `json:"reason"`
	Description string   `json:"description"`
}

func TestEngineClientsHearWhatIsSaidBeforeTheServerCloses(t *testing.T) {
	client := node.Start(t, "engine.js")
	for name, way := range transports {
		server, url := engineServer(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, p []byte) {
			c.Send(false, []byte("farewell"))
			c.Close(engineio.ForcedClose)
		}}, engineio.Options{})
		got := node.Call[departure](t, client, "leave", opening{URL: url, Options: way.options, Upgrades: way.first != way.last, Say: "leave"})
		if len(got.Messages) != 1 || got.Messages[0] != "farewell" || got.Reason != "transport close" {
			t.Errorf("%s: %+v", name, got)
		}
		waitForNone(t, server)
	}
}

func TestEngineClientsThatSayTooMuchAreClosed(t *testing.T) {
	client := node.Start(t, "engine.js")
	for name, way := range transports {
		server, url := engineServer(t, engineio.Handler{}, engineio.Options{MaxPayload: 1000})
		got := node.Call[departure](t, client, "leave", opening{URL: url, Options: way.options, Upgrades: way.first != way.last, Say: strings.Repeat("x", 5000)})
		if got.Reason != "transport close" && (way.last != "polling" || got.Reason != "transport error") { // of its GET and its POST, whichever is answered first
			t.Errorf("%s: %+v", name, got)
		}
		waitForNone(t, server)
		if server.Stats().TooLarge != 1 {
			t.Errorf("%s: not counted", name)
		}
	}
}

// refusal is how a client tells that it was not let in.
type refusal struct {
	Opened string `json:"opened"`
	Error  string `json:"error"`
	Status any    `json:"status"` // of the answer, where the client tells it
}

func TestEngineClientsLearnThatTheyAreRefused(t *testing.T) {
	client := node.Start(t, "engine.js")
	_, url := engineServer(t, engineio.Handler{}, engineio.Options{Allow: func(*http.Request) (any, error) { return nil, errors.New("not you") }})
	for name, way := range transports {
		got := node.Call[refusal](t, client, "refused", opening{URL: url, Options: way.options})
		if got.Opened != "" || got.Error == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if way.first == "polling" && got.Status != 403.0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
