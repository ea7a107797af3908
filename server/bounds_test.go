// Crossing the bounds of a node: what its configuration says of time and size, against clients that speak TCP.

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

const (
	soon  = 50 * time.Millisecond // a bound that a test crosses by waiting for it
	never = 2 * time.Minute       // what a test waits for a node to keep to its bounds
)

// connect opens a TCP connection whose kernel takes little.
func connect(t *testing.T, node *server.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", node.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(never))
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	return c.(*net.TCPConn)
}

// upgrade opens a WebSocket whose client does nothing by itself: it answers no ping and reads nothing.
func upgrade(t *testing.T, node *server.Server, path string) *net.TCPConn {
	t.Helper()
	c := connect(t, node)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake: %v, %v", response, err)
	}
	return c
}

// rest is all that a node sends until it ends the connection, which it must.
func rest(t *testing.T, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the node has not ended the connection; it said %.300q", said)
	}
	return string(said)
}

func TestWhoTakesTooLongIsCut(t *testing.T) {
	for _, c := range []struct {
		proves string
		change func(*config.Config)
		sends  string
		answer string // "" is none
	}{
		{"to send the head of a request", func(c *config.Config) { c.Limits.HandshakeTimeout = soon },
			"GET /channels/lobby HTTP/1.1\r\nHost: localhost\r\n", ""},
		{"to send anything at all", func(c *config.Config) { c.Limits.HandshakeTimeout = soon }, "", ""},
		{"to send the body of a request", func(c *config.Config) { c.Limits.HandshakeTimeout, c.Limits.RequestTimeout = soon, soon },
			"POST /channels/lobby HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhel", "HTTP/1.1 4"},
		{"to send another request", func(c *config.Config) { c.Limits.IdleTimeout = soon },
			"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			conn := connect(t, start(t, changed(func(n *config.Config) { n.Dev = true; c.change(n) })))
			io.WriteString(conn, c.sends)
			if said := rest(t, conn); !strings.HasPrefix(said, c.answer) || strings.Contains(said, "HTTP/1.1 201") {
				t.Errorf("answered %.300q, want %q", said, c.answer)
			}
		})
	}
}

func TestWhoDoesNotReadAnAnswerIsCut(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Dev, c.Limits.AnswerTimeout = true, soon }))
	conn := connect(t, node)
	for many := strings.Repeat("GET /plain/chat.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 100); ; {
		_, err := io.WriteString(conn, many)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the node waits for a client that reads nothing")
		}
		if err != nil {
			return
		}
	}
}

func TestAMessageThatTakesTooLongIsCut(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Dev, c.Limits.MessageTimeout = true, soon }))
	conn := upgrade(t, node, "/channels/lobby")
	conn.Write([]byte{0x81, 0x85, 0, 0, 0, 0, 'h', 'e', 'l'}) // of "hello"
	if said := rest(t, conn); !strings.Contains(said, "\x03\xf0") {
		t.Errorf("the node said %q, want close code 1008", said)
	}
}

func TestWhoAnswersNoPingIsCut(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Dev, c.KeepAlive.Interval, c.KeepAlive.Timeout = true, soon, soon }))
	if said := rest(t, upgrade(t, node, "/channels/lobby")); !strings.HasPrefix(said, "\x89") {
		t.Errorf("the node said %q, want a ping first", said)
	}
}

func TestAPayloadLongerThanTheLimitIsRefused(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Dev, c.Limits.MessageSize = true, 10 }))
	if response := request(t, node, "POST", "/channels/lobby", "", "eleven byte"); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("POST: %s, want 413", response.Status)
	}
	c := dial(t, node, "/channels/lobby")
	c.Write(t.Context(), websocket.Text, []byte("eleven byte"))
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("WebSocket: %v, want close code 1009", err)
	}
}

// drown publishes until nobody is left in a channel, and fails the test if somebody stays.
func drown(t *testing.T, node *server.Server, size int, pace time.Duration) {
	t.Helper()
	payload := fmt.Sprintf("%*d", size, 0)
	for deadline := time.Now().Add(never); time.Now().Before(deadline); time.Sleep(pace) {
		response := request(t, node, "POST", "/channels/lobby", "", payload)
		receipt, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("publishing is answered with %s: %.300s", response.Status, receipt)
		}
		if strings.Contains(string(receipt), `"subscribers":0`) {
			return
		}
	}
	t.Error("who reads nothing stays")
}

func TestWhoReadsNothingIsCut(t *testing.T) {
	for _, c := range []struct {
		proves string
		bytes  config.Size
		age    time.Duration
		pace   time.Duration // of publications of 60 KiB: as long as the test waits, they do not fill the larger outbox
	}{
		{"once too much waits", 64 << 10, time.Hour, 0},
		{"once it has waited for too long", 1 << 30, soon, 5 * time.Millisecond},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node := start(t, changed(func(n *config.Config) {
				withKey(n)
				n.Dev, n.Limits.OutboxBytes, n.Limits.OutboxAge, n.Limits.HistoryBytes = true, c.bytes, c.age, 1<<20
			}))
			upgrade(t, node, "/channels/lobby")
			until(t, node, "/api/v1/channels", `"lobby"`)
			drown(t, node, 60<<10, c.pace)
			if metrics := ask(t, node, 200, "GET", "/metrics", apiKey, ""); c.age > soon && !strings.Contains(metrics, `ringdown_disconnects_total{code="slow_consumer"} 1`) {
				t.Error("the metrics do not tell of it")
			}
		})
	}
}

func TestAnEventStreamThatNobodyReadsIsCut(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		withKey(c)
		c.Dev, c.Limits.OutboxBytes, c.Limits.OutboxAge, c.Limits.HistoryBytes = true, 1<<30, soon, 1<<20
	}))
	conn := connect(t, node)
	io.WriteString(conn, "GET /channels/lobby HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
	until(t, node, "/api/v1/channels", `"lobby"`)
	drown(t, node, 60<<10, 5*time.Millisecond)
}

func TestHistoryStaysWithinItsMemory(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		withKey(c)
		c.Dev, c.Limits.HistoryBytes, c.Limits.MessageSize = true, 64<<10, 8<<10
	}))
	for range 20 {
		request(t, node, "POST", "/channels/lobby", "", strings.Repeat("x", 8<<10))
	}
	metrics := ask(t, node, 200, "GET", "/metrics", apiKey, "")
	if strings.Contains(metrics, "ringdown_history_evicted_total 0") || !strings.Contains(metrics, "ringdown_history_evicted_total") {
		t.Error("nothing was forgotten, or the metrics do not tell")
	}
	var held int
	_, from, _ := strings.Cut(metrics, "\nringdown_history_bytes ")
	if _, err := fmt.Sscan(from, &held); err != nil || held > 64<<10 {
		t.Errorf("%d bytes are held, %v", held, err)
	}
}

func TestCallsOfOneClientAreBounded(t *testing.T) {
	over := make(chan struct{})
	service := &house{url: hanging(t, over)}
	c := service.with("call")
	c.Limits.Calls = 1
	native := dial(t, start(t, c), "/connect")
	say(t, native, `[{"type":"call","method":"m","data":1,"id":1},{"type":"call","method":"m","data":1,"id":2}]`, `"too_many_commands"`)
	close(over)
	say(t, native, "", `"id":1`)
}

func TestSubscriptionsOfOneClientAreBounded(t *testing.T) {
	native := dial(t, start(t, changed(func(c *config.Config) { c.Dev, c.Limits.Subscriptions = true, 1 })), "/connect")
	said := say(t, native, `[{"type":"subscribe","channel":"a","id":1},{"type":"subscribe","channel":"b","id":2}]`, `"too_many_subscriptions"`)
	if !strings.Contains(said, `"id":2`) {
		t.Errorf("refused is %s", said)
	}
}

// A node offers no compression, so that no message of its clients can be larger than what they send.
func TestANodeOffersNoCompression(t *testing.T) {
	node := start(t, inDevMode())
	c, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/channels/lobby", node.Addr()),
		&websocket.DialOptions{Compression: websocket.Compression{Mode: websocket.CompressionTakeover}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if offered := response.Header.Get("Sec-WebSocket-Extensions"); offered != "" {
		t.Errorf("it offers %q", offered)
	}
	var bomb bytes.Buffer
	bomb.Write([]byte{0xc1, 0x81, 0, 0, 0, 0, 0}) // RSV1: compressed
	conn := upgrade(t, node, "/channels/lobby")
	conn.Write(bomb.Bytes())
	if said := rest(t, conn); !strings.Contains(said, "\x03\xea") {
		t.Errorf("the node said %q, want close code 1002", said)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	from := func(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }
	trusting := func(c *config.Config) { c.Listen.TrustedProxies = []string{"127.0.0.1"} }
	for _, c := range []struct {
		proves string
		change func(*config.Config)
		header func(n int) http.Header
		status int
	}{
		{"in all", func(c *config.Config) { c.Limits.Connections = 1 }, func(int) http.Header { return nil }, http.StatusServiceUnavailable},
		{"of one address", func(c *config.Config) { trusting(c); c.Limits.ConnectionsPerAddress = 1 },
			func(int) http.Header { return from("203.0.113.7") }, http.StatusTooManyRequests},
		{"new ones from one address", func(c *config.Config) { trusting(c); c.Limits.NewConnections = 1 },
			func(int) http.Header { return from("203.0.113.7") }, http.StatusTooManyRequests},
		{"new ones from everywhere", func(c *config.Config) { trusting(c); c.Limits.NewConnectionsInAll = 1 },
			func(n int) http.Header { return from(fmt.Sprintf("203.0.113.%d", n)) }, http.StatusTooManyRequests},
		{"of one user", func(c *config.Config) { c.Auth.Keys = []config.AuthKey{{Secret: secret}}; c.Limits.SessionsPerUser = 1 },
			func(int) http.Header { return http.Header{"Authorization": {"Bearer " + mint(t, time.Hour)}} }, http.StatusTooManyRequests},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node := start(t, changed(c.change))
			for n := range 200 {
				conn, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/channels/lobby", node.Addr()), &websocket.DialOptions{Header: c.header(n)})
				if err == nil {
					defer conn.CloseNow()
					continue
				}
				if n == 0 || response == nil || response.StatusCode != c.status || response.Header.Get("Retry-After") == "" && c.status == http.StatusTooManyRequests {
					t.Errorf("session %d is answered with %+v, %v", n, response, err)
				}
				return
			}
			t.Error("200 sessions are let in")
		})
	}
}

func TestEachRateIsBounded(t *testing.T) {
	big := strings.Repeat("x", 500)
	for name, change := range map[string]func(l *config.Limits){
		"session.messages": func(l *config.Limits) { l.Session.Messages = 5 },
		"session.bytes":    func(l *config.Limits) { l.Session.Bytes = 1000 },
		"user.messages":    func(l *config.Limits) { l.User.Messages = 5 },
		"user.bytes":       func(l *config.Limits) { l.User.Bytes = 1000 },
		"address.messages": func(l *config.Limits) { l.Address.Messages = 5 },
		"address.bytes":    func(l *config.Limits) { l.Address.Bytes = 1000 },
		"node.messages":    func(l *config.Limits) { l.Node.Messages = 5 },
		"node.bytes":       func(l *config.Limits) { l.Node.Bytes = 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			node := guarded(t, func(c *config.Config) {
				withKey(c)
				c.Listen.TrustedProxies = []string{"127.0.0.1"}
				c.Limits.Session, c.Limits.User, c.Limits.Address, c.Limits.Node = config.Rate{}, config.Rate{}, config.Rate{}, config.Rate{}
				c.Limits.Burst, c.Limits.MessageSize = time.Second, 1000
				change(&c.Limits)
			})
			ctx, cancel := context.WithTimeout(t.Context(), never)
			defer cancel()
			c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/connect", node.Addr()), &websocket.DialOptions{Header: http.Header{
				"X-Forwarded-For": {"203.0.113.7"}, "Authorization": {"Bearer " + mint(t, time.Hour)}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			for range 60 { // the node may close before the last is written
				if c.Write(ctx, websocket.Text, []byte(`{"type":"publish","channel":"lobby","id":1,"data":"`+big+`"}`)) != nil {
					break
				}
			}
			for {
				_, payload, err := c.Read(ctx)
				if err != nil {
					t.Fatalf("nothing was refused for %s: %v", name, err)
				}
				if strings.Contains(string(payload), `"rate_limited"`) && strings.Contains(string(payload), name) {
					break
				}
			}
			if metrics := ask(t, node, 200, "GET", "/metrics", apiKey, ""); strings.Contains(metrics, `ringdown_refusals_total{code="rate_limited"} 0`) {
				t.Error("the metrics do not tell of it")
			}
		})
	}
}
