package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// start runs a node on a port of its own for as long as the test, unless the test shuts it down itself.
func start(t *testing.T, c config.Config, log ...*slog.Logger) *server.Server {
	t.Helper()
	c.Listen.Address = "127.0.0.1:0"
	node, err := server.New(c, server.Options{Log: append(log, slog.New(slog.DiscardHandler))[0]})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving); err != nil {
			t.Error(err)
		}
	})
	return node
}

// changed is the default configuration with a change.
func changed(change func(*config.Config)) config.Config {
	c := config.Default()
	change(&c)
	return c
}

func inDevMode() config.Config { return changed(func(c *config.Config) { c.Dev = true }) }

func dial(t *testing.T, node *server.Server, path string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s%s", node.Addr(), path), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestUnsafeConfigurationsAreRefusedWithTheCure(t *testing.T) {
	for _, c := range []struct {
		proves   string
		change   func(*config.Config)
		sentence string
	}{
		{"dev mode on every address", func(c *config.Config) { c.Dev = true; c.Listen.Address = ":0" }, "use --listen 127.0.0.1:0, or leave out --dev"},
		{"dev mode on every IPv4 address", func(c *config.Config) { c.Dev = true; c.Listen.Address = "0.0.0.0:8000" }, "listens on loopback only"},
		{"dev mode on every IPv6 address", func(c *config.Config) { c.Dev = true; c.Listen.Address = "[::]:8000" }, "listens on loopback only"},
		{"dev mode on a public address", func(c *config.Config) { c.Dev = true; c.Listen.Address = "192.0.2.1:8000" }, "listens on loopback only"},
		{"no port", func(c *config.Config) { c.Listen.Address = "127.0.0.1" }, "write it as host:port"},
		{"not a port", func(c *config.Config) { c.Listen.Address = "127.0.0.1:http:" }, "write it as host:port"},
		{"another machine's address", func(c *config.Config) { c.Listen.Address = "192.0.2.1:0" }, "choose an address of this machine"},
		{"every origin", func(c *config.Config) { c.Origins = []string{"*"} }, "list the origins of your own pages"},
		{"origin without scheme", func(c *config.Config) { c.Origins = []string{"app.example.com"} }, `"https://app.example.com"`},
		{"origin with path", func(c *config.Config) { c.Origins = []string{"https://a.example/"} }, `write it as "https://a.example"`},
		{"pattern in the middle", func(c *config.Config) { c.Origins = []string{"*.*.example.com"} }, "not a host pattern"},
		{"empty pattern", func(c *config.Config) { c.Origins = []string{"*."} }, "not a host pattern"},
		{"negative message", func(c *config.Config) { c.Limits.MessageSize = -1 }, "limits.message_size"},
		{"a burst that is forgotten before it ends", func(c *config.Config) { c.Limits.Burst = 2 * time.Minute }, "limits are remembered for a minute"},
		{"less time for a request than for its head", func(c *config.Config) { c.Limits.RequestTimeout = time.Second }, "limits.request_timeout"},
		{"an outbox without room for a message", func(c *config.Config) { c.Limits.OutboxBytes = 1 << 10 }, "would not fit"},
		{"a history without room for a message", func(c *config.Config) { c.Limits.HistoryBytes = 1 << 10 }, "could not be kept"},
		{"a rate that lets no message pass", func(c *config.Config) { c.Limits.User.Bytes = 100 }, "could never be sent"},
		{"a key that can be guessed", func(c *config.Config) { c.Auth.Keys = []config.AuthKey{{Secret: "short"}} }, "auth.keys[0].secret"},
		{"a backend's secret that can be guessed", func(c *config.Config) { c.Backend.Call, c.Backend.Secret = "https://app.example.com/", "short" }, "can be guessed"},
		{"negative connections", func(c *config.Config) { c.Limits.Connections = -1 }, "limits.connections"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node, err := server.New(changed(c.change), server.Options{})
			if err == nil {
				t.Fatalf("it listens on %v", node.Addr())
			}
			if !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("refused with %q, want a sentence with %q", err, c.sentence)
			}
		})
	}
}

func TestDevModeListensOnLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "localhost:0"} {
		node, err := server.New(changed(func(c *config.Config) { c.Dev, c.Listen.Address = true, address }), server.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if !node.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("%s: it listens on %v", address, node.Addr())
		}
		go node.Serve()
		if err := node.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLogSaysWhetherAnybodyMayPublish(t *testing.T) {
	for _, c := range []struct {
		dev  bool
		want string
	}{{true, "level=WARN msg=\"DEV MODE"}, {false, "listen but not publish"}} {
		var log bytes.Buffer
		t.Run(fmt.Sprint(c.dev), func(t *testing.T) {
			node := start(t, changed(func(n *config.Config) { n.Dev = c.dev }), slog.New(slog.NewTextHandler(&log, nil)))
			dial(t, node, "/channels/lobby") // by then it serves
		})
		for _, want := range []string{c.want, "http://127.0.0.1:", "/channels/{channel}"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("dev %v: the log lacks %q:\n%s", c.dev, want, &log)
			}
		}
	}
}

func TestPublishingNeedsDevMode(t *testing.T) {
	ctx := t.Context()
	dev := dial(t, start(t, inDevMode()), "/channels/lobby")
	dev.Write(ctx, websocket.Text, []byte("hello"))
	if _, payload, err := dev.Read(ctx); err != nil || string(payload) != "hello" {
		t.Errorf("in dev mode: %q, %v", payload, err)
	}
	safe := dial(t, start(t, config.Default()), "/channels/lobby")
	safe.Write(ctx, websocket.Text, []byte("hello"))
	if _, _, err := safe.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("outside dev mode: %v, want close code 1008", err)
	}
}

func TestWhatAChannelKeepsAndWhoMayPublish(t *testing.T) {
	for _, c := range []struct {
		dev    bool
		status int
		want   string // in what is read afterwards
	}{
		{true, http.StatusCreated, `"data":"hello"`},
		{false, http.StatusForbidden, `"messages":[]`},
	} {
		node := start(t, changed(func(n *config.Config) { n.Dev = c.dev }))
		url := fmt.Sprintf("http://%s/channels/lobby?user=ann", node.Addr())
		response, err := http.Post(url, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("dev %v: publishing is answered %s", c.dev, response.Status)
		}
		if response, err = http.Get(url); err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if !strings.Contains(string(body), c.want) || strings.Contains(string(body), `"user":"ann"`) != c.dev {
			t.Errorf("dev %v: kept is %s", c.dev, body)
		}
	}
}

func TestNativeClientsMeetThoseOfTheChannels(t *testing.T) {
	node := start(t, inDevMode())
	ctx := t.Context()
	c := dial(t, node, "/connect")
	c.Write(ctx, websocket.Text, []byte(`[{"type":"subscribe","channel":"lobby","id":1},{"type":"publish","channel":"lobby","data":"hello"}]`))
	for seen := ""; !strings.Contains(seen, `"data":"hello"`); {
		_, payload, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		seen = string(payload)
	}
	response, err := http.Get(fmt.Sprintf("http://%s/channels/lobby", node.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `"data":"hello"`) {
		t.Errorf("read by HTTP: %s", body)
	}
}

func TestConfiguredLimitsHold(t *testing.T) {
	ctx := t.Context()
	node := start(t, changed(func(c *config.Config) {
		c.Dev, c.Origins = true, []string{"https://app.example.com"}
		c.Limits.MessageSize, c.Limits.Connections = 10, 1
	}))
	url := fmt.Sprintf("ws://%s/channels/lobby", node.Addr())
	listed := http.Header{"Origin": {"https://app.example.com"}}
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Header: listed})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, response, err := websocket.Dial(ctx, url, nil); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second connection: %v, want 503", err)
	}
	c.Write(ctx, websocket.Text, []byte("eleven byte"))
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("a message too long: %v, want close code 1009", err)
	}
}

func TestAnswersToPlainRequests(t *testing.T) {
	node := start(t, inDevMode())
	for _, c := range []struct {
		proves, method, path, host string
		status                     int
		contentType, body          string
	}{
		{"the front page", "GET", "/", "", 200, "text/html", "<title>Ringdown</title>"},
		{"its script", "GET", "/plain/chat.js", "", 200, "text/javascript", "import"},
		{"its looks", "GET", "/plain/look.css", "", 200, "text/css", "prefers-color-scheme"},
		{"the page of all transports", "GET", "/everyone", "", 200, "text/html", "every client"},
		{"its icon", "GET", "/favicon.svg", "", 200, "image/svg+xml", "<svg"},
		{"as localhost", "GET", "/", "localhost:8000", 200, "text/html", "Ringdown"},
		{"as a subdomain of localhost", "GET", "/", "chat.localhost", 200, "text/html", "Ringdown"},
		{"as an IPv6 address", "GET", "/", "[::1]:8000", 200, "text/html", "Ringdown"},
		{"as a name that may be rebound", "GET", "/", "evil.example:8000", 421, "text/plain", "use http://127.0.0.1"},
		{"as a name that begins like an address", "GET", "/", "127.0.0.1.evil.example", 421, "text/plain", "dev mode"},
		{"nothing", "GET", "/nothing", "", 404, "text/plain", "/channels/{channel}"},
		{"a slash in a channel's name", "GET", "/channels/a/b", "", 404, "text/plain", "%2F"},
		{"no channel", "GET", "/channels/", "", 404, "text/plain", "/channels/lobby"},
		{"a channel", "GET", "/channels/lobby", "", 200, "application/json", `{"messages":[],"cursor":"`},
		{"several channels", "GET", "/channels?channel=a&channel=b", "", 200, "application/json", `{"messages":[],"cursor":"`},
		{"channels without a name", "GET", "/channels", "", 400, "application/problem+json", `"code":"bad_channel"`},
		{"a user that is none", "GET", "/channels/lobby?user=%00", "", 400, "application/problem+json", `"code":"bad_request"`},
		{"put", "PUT", "/", "", 405, "text/plain", "the method is PUT; this page is read, with GET or HEAD"},
		{"post to a script", "POST", "/plain/chat.js", "", 405, "text/plain", "GET or HEAD"},
		{"post to nothing", "POST", "/nothing", "", 404, "text/plain", "there is nothing here"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, fmt.Sprintf("http://%s%s", node.Addr(), c.path), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = c.host
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || !strings.HasPrefix(response.Header.Get("Content-Type"), c.contentType) ||
				!strings.Contains(string(body), c.body) {
				t.Errorf("%s, %s:\n%.300s", response.Status, response.Header.Get("Content-Type"), body)
			}
			if allow := response.Header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
				t.Errorf("%d, allowed is %q", c.status, allow)
			}
			if response.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("browsers may guess at the type")
			}
		})
	}
}

func TestHeaderOfAHandshakeThatIsTooLargeIsRefusedWithASentence(t *testing.T) {
	node := start(t, inDevMode())
	for _, c := range []struct {
		size     int
		sentence string
	}{
		{20 << 10, "this server takes 8192 (fewer or shorter cookies may help)"},
		{64 << 10, ""}, // net/http's answer
	} {
		conn, err := net.Dial("tcp", node.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /channels/lobby HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: %s\r\n\r\n", strings.Repeat("x", c.size))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !strings.Contains(string(body), c.sentence) {
			t.Errorf("%d bytes: answered %s: %q, want 431 and %q", c.size, response.Status, body, c.sentence)
		}
	}
}

// Otherwise an operator would believe that his file is good, until the next restart.
func TestWhatIsCheckedStarts(t *testing.T) {
	for _, c := range []struct {
		proves string
		change func(*config.Config)
	}{
		{"all hooks", func(c *config.Config) {
			b := &c.Backend
			b.Secret = config.Secret(strings.Repeat("s", 32))
			for _, url := range []*string{&b.Connect, &b.Subscribe, &b.Publish, &b.Call, &b.Disconnect, &b.Events.URL} {
				*url = "https://app.example.com/ringdown?site=1"
			}
		}},
		{"proxies of every notation", func(c *config.Config) {
			c.Listen.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "unix"}
		}},
		{"a wildcard and another address", func(c *config.Config) { c.Listen.More = []config.Listener{{Address: "127.0.0.2:0"}, {Address: ":0"}} }},
		{"names of ACME", func(c *config.Config) {
			c.Listen.ACME = config.ACME{Domains: []string{"rt.example.com"}, Cache: t.TempDir()}
		}},
		{"the shortest times", func(c *config.Config) {
			c.KeepAlive = config.KeepAlive{Interval: time.Millisecond, Timeout: time.Millisecond}
			c.Drain.Window = time.Millisecond
		}},
		{"traces and bounds of age", func(c *config.Config) {
			c.Tracing.Endpoint, c.Limits.OutboxAge = "http://127.0.0.1:4318", 5*time.Second
		}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			o := changed(c.change)
			o.Listen.Address = "127.0.0.1:0"
			if err := o.Check(); err != nil {
				t.Fatal(err)
			}
			start(t, o)
		})
	}
}
