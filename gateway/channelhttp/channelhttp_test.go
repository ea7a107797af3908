package channelhttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// node is a hub behind the gateway, on a listener of its own.
type node struct {
	t       testing.TB
	hub     *hub.Hub
	gateway *channelhttp.Gateway
	host    string
	mux     *http.ServeMux
	secure  *httptest.Server // made by listen2
	timeout time.Duration    // of it, for reading and writing
}

// open is a rule by which everybody may do everything.
var open = hub.Rule{Pattern: "*", Publish: hub.Everyone, History: hub.Retention{Count: 1000, Age: time.Hour}, Presence: true}

// start runs a node. Without rules everybody may do everything.
func start(t testing.TB, parts hub.Options, options channelhttp.Options) *node {
	t.Helper()
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	parts.Log = options.Log
	if parts.Broker == nil {
		parts.Broker = memory.New(memory.Options{})
	}
	if parts.Rules == nil {
		parts.Rules = []hub.Rule{open}
	}
	h, err := hub.New(parts)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := channelhttp.New(h, options)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", gateway)
	mux.Handle("/channels", gateway)
	mux.HandleFunc("/goroutines/channels/{channel}", func(w http.ResponseWriter, r *http.Request) {
		gateway.ServeHTTP(unhijackable{w, w.(http.Flusher)}, r)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Listener = smallBuffers{server.Listener}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		gateway.Shutdown(t.Context()) // cuts what is left: the test is over
		for end := time.Now().Add(10 * time.Second); h.Sessions() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d sessions outlived the gateway", h.Sessions())
				break
			}
		}
	})
	return &node{t: t, hub: h, gateway: gateway, host: server.Listener.Addr().String(), mux: mux}
}

// kernelBuffer keeps the kernel from swallowing megabytes for a client that does not read. Loopback's packets have 64 KiB;
// with buffers below a few of them it stalls.
const kernelBuffer = 256 << 10

type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(kernelBuffer)
	}
	return conn, err
}

func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(kernelBuffer)
	}
	return conn, err
}

// join connects a client to a channel and waits until the hub knows it.
func (n *node) join(channel string) *websocket.Conn {
	n.t.Helper()
	return n.joinPath(channel, "")
}

// joinPath is join with a query.
func (n *node) joinPath(channel, query string) *websocket.Conn {
	n.t.Helper()
	before := n.hub.Subscribers(channel)
	conn, response, err := websocket.Dial(n.t.Context(), "ws://"+n.host+"/channels/"+url.PathEscape(channel)+query,
		&websocket.DialOptions{DialContext: dialSmall})
	if err != nil {
		n.t.Fatalf("joining %q: %v (%v)", channel, err, response)
	}
	n.t.Cleanup(func() { conn.CloseNow() })
	n.until(func() bool { return n.hub.Subscribers(channel) > before })
	return conn
}

func (n *node) dial(channel string, header http.Header) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(n.t.Context(), "ws://"+n.host+"/channels/"+url.PathEscape(channel),
		&websocket.DialOptions{Header: header, DialContext: dialSmall})
}

// mustPost publishes over HTTP.
func (n *node) mustPost(pathAndQuery, contentType, payload string) {
	n.t.Helper()
	header := map[string]string{}
	if contentType != "" {
		header["Content-Type"] = contentType
	}
	if response, body := n.do("POST", pathAndQuery, header, payload); response.StatusCode != http.StatusCreated {
		n.t.Fatalf("%s: %s", response.Status, body)
	}
}

// publish publishes text on behalf of the server.
func (n *node) publish(channel, text string) hub.Receipt {
	n.t.Helper()
	receipt, err := n.hub.Publish(n.t.Context(), &hub.Publication{Channel: channel, Payload: []byte(text)}, hub.PublishOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return receipt
}

// until waits for something that the server does in its own time.
func (n *node) until(done func() bool) {
	n.t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			n.t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

func send(t testing.TB, c *websocket.Conn, kind websocket.MessageType, payload string) {
	t.Helper()
	if err := c.Write(t.Context(), kind, []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, c *websocket.Conn, kind websocket.MessageType, payload string) {
	t.Helper()
	gotKind, got, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if gotKind != kind || string(got) != payload {
		t.Fatalf("received %v %.40q, want %v %.40q", gotKind, got, kind, payload)
	}
}

// expectClose reads until the server closes, and checks how.
func expectClose(t testing.TB, c *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	for {
		_, _, err := c.Read(t.Context())
		if err == nil {
			continue
		}
		closed, ok := errors.AsType[*websocket.CloseError](err)
		if !ok || closed.Code != code || !strings.Contains(closed.Reason, reason) {
			t.Fatalf("ended with %v, want close code %v and a reason with %q", err, code, reason)
		}
		return
	}
}

func TestEveryClientReceivesWhatAnyClientSends(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	clients := []*websocket.Conn{n.join("lobby"), n.join("lobby"), n.join("lobby")}
	elsewhere := n.join("elsewhere")

	messages := []struct {
		from    int
		kind    websocket.MessageType
		payload string
	}{
		{0, websocket.Text, "hello"},
		{1, websocket.Binary, "\x00\xff\xfe"},
		{2, websocket.Text, ""},
		{0, websocket.Binary, ""},
		{1, websocket.Text, "naïve 漢字 🎉"},
		{2, websocket.Text, strings.Repeat("x", 64<<10)},
	}
	for _, m := range messages {
		send(t, clients[m.from], m.kind, m.payload)
		for _, c := range clients {
			expect(t, c, m.kind, m.payload)
		}
	}
	send(t, elsewhere, websocket.Text, "alone")
	expect(t, elsewhere, websocket.Text, "alone")
}

// Whoever has shaken hands is subscribed: it need not wait before it has others publish.
func TestARawWebSocketHearsWhatIsPublishedAsSoonAsItIsOpen(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	for i := range 50 {
		c, _, err := n.dial("lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		n.publish("lobby", fmt.Sprint(i))
		expect(t, c, websocket.Text, fmt.Sprint(i))
		c.Close(websocket.StatusNormalClosure, "")
	}
}

func TestEveryClientSeesTheSameOrder(t *testing.T) {
	const senders, each = 3, 200
	n := start(t, hub.Options{}, channelhttp.Options{})
	clients := make([]*websocket.Conn, senders)
	for i := range clients {
		clients[i] = n.join("lobby")
	}
	transcripts := make(chan string, senders)
	for _, c := range clients {
		go func() {
			var all strings.Builder
			for range senders * each {
				_, payload, err := c.Read(t.Context())
				if err != nil {
					t.Error(err)
					break
				}
				fmt.Fprintf(&all, "%s\n", payload)
			}
			transcripts <- all.String()
		}()
	}
	for i, c := range clients {
		go func() {
			for k := range each {
				if err := c.Write(t.Context(), websocket.Text, fmt.Append(nil, i, " ", k)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	first := <-transcripts
	for range senders - 1 {
		if other := <-transcripts; other != first {
			t.Error("two clients of one channel saw different orders")
		}
	}
	next := make([]int, senders)
	for line := range strings.Lines(first) {
		var sender, k int
		fmt.Sscan(line, &sender, &k)
		if k != next[sender] {
			t.Fatalf("message %d of sender %d came when %d was due", k, sender, next[sender])
		}
		next[sender]++
	}
}

// burst has one client send messages in one go, and checks that each of the readers gets them all, in order.
func (n *node) burst(readers, messages, size int) {
	n.t.Helper()
	done := make(chan error, readers)
	for range readers {
		c := n.join("lobby")
		go func() { done <- readNumbered(n.t.Context(), c, messages) }()
	}
	sender := n.join("lobby")
	sender.CloseRead(n.t.Context())
	sender.Cork()
	padding := strings.Repeat(".", size)
	for i := range messages {
		send(n.t, sender, websocket.Text, fmt.Sprint(i, padding))
	}
	if err := sender.Uncork(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	for range readers {
		if err := <-done; err != nil {
			n.t.Error(err)
		}
	}
}

func readNumbered(ctx context.Context, c *websocket.Conn, messages int) error {
	for i := range messages {
		_, payload, err := c.Read(ctx)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if !strings.HasPrefix(string(payload)+".", fmt.Sprint(i, ".")) {
			return fmt.Errorf("message %d is %.40q", i, payload)
		}
	}
	return nil
}

func TestBurstOfSmallMessagesOverrunsNobodyWhoReads(t *testing.T) {
	start(t, hub.Options{}, channelhttp.Options{}).burst(20, 10_000, 0)
}

func TestBurstOfMoreThanAnOutboxOverrunsNobodyWhoReads(t *testing.T) {
	options := channelhttp.Options{}
	options.OutboxBytes = 256 << 10
	start(t, hub.Options{}, options).burst(10, 3_000, 1000)
}

// overflow publishes to "lobby" until one of its two clients is given up as slow. The other one reads along and must get
// everything.
func (n *node) overflow(quick *websocket.Conn) {
	n.t.Helper()
	payload := strings.Repeat("x", 16<<10)
	for range 1000 {
		n.publish("lobby", payload)
		expect(n.t, quick, websocket.Text, payload)
		if n.hub.Sessions() == 1 {
			return
		}
	}
	n.t.Fatal("a client that reads nothing was never given up")
}

func TestSlowConsumerIsCutAndNobodyElseNotices(t *testing.T) {
	var log bytes.Buffer
	n := start(t, hub.Options{}, channelhttp.Options{
		OutboxBytes: 256 << 10,
		Log:         slog.New(slog.NewTextHandler(&log, nil)),
	})
	slow, quick := n.join("lobby"), n.join("lobby")
	n.overflow(quick)

	expectClose(t, slow, websocket.StatusTryAgainLater, "slow consumer")
	send(t, quick, websocket.Text, "still here")
	expect(t, quick, websocket.Text, "still here")
	n.until(func() bool { return n.hub.Sessions() == 1 })
	if !strings.Contains(log.String(), "slow consumer") {
		t.Errorf("the log does not say so:\n%s", &log)
	}
}

func TestSlowConsumerThatNeverReadsIsCutAllTheSame(t *testing.T) {
	options := channelhttp.Options{}
	options.OutboxBytes = 256 << 10
	n := start(t, hub.Options{}, options)
	n.join("lobby")
	quick := n.join("lobby")
	n.overflow(quick)
	n.until(func() bool { return n.hub.Sessions() == 1 })
}

func TestClientsMayListenButNotSendWhereTheRuleSaysSo(t *testing.T) {
	n := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*"}}}, channelhttp.Options{})
	listener, sender := n.join("news"), n.join("news")

	send(t, sender, websocket.Text, "spam")
	expectClose(t, sender, websocket.StatusPolicyViolation, "may not publish in \"news\"; only the server may")

	n.until(func() bool { return n.hub.Subscribers("news") == 1 })
	n.publish("news", "from the house")
	expect(t, listener, websocket.Text, "from the house")
}

func TestMessageOverTheLimitCloses1009(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.Limits.Message = 100
	n := start(t, hub.Options{}, options)
	c, other := n.join("lobby"), n.join("lobby")
	send(t, c, websocket.Text, strings.Repeat("x", 101))
	expectClose(t, c, websocket.StatusMessageTooBig, "")
	send(t, other, websocket.Text, "fits")
	expect(t, other, websocket.Text, "fits")
}

func TestShutdownSendsWhatIsWaitingAndCloses1012(t *testing.T) {
	for _, c := range []struct {
		whose    string
		shutdown func(*node) error
	}{
		{"the gateway's", func(n *node) error { return n.gateway.Shutdown(t.Context()) }},
		{"the hub's", func(n *node) error { return n.hub.Shutdown(t.Context()) }},
	} {
		t.Run(c.whose, func(t *testing.T) {
			n := start(t, hub.Options{}, channelhttp.Options{})
			clients := []*websocket.Conn{n.join("lobby"), n.join("lobby"), n.join("other")}
			n.publish("lobby", "last words")

			done := make(chan error, 1)
			go func() { done <- c.shutdown(n) }()
			expect(t, clients[0], websocket.Text, "last words")
			expect(t, clients[1], websocket.Text, "last words")
			for _, c := range clients {
				expectClose(t, c, websocket.StatusServiceRestart, "shutting down")
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if sessions := n.hub.Sessions(); sessions != 0 {
				t.Errorf("%d sessions outlived the shutdown", sessions)
			}
			_, response, err := n.dial("lobby", nil)
			if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("dialling after shutdown: %v, %v", err, response)
			}
		})
	}
}

func TestShutdownTwiceIsShutdownOnce(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	for range 2 {
		if err := n.gateway.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestShutdownIsOneLineInTheLogAndOneForEachLineAtDebug(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		var log bytes.Buffer
		options := channelhttp.Options{}
		options.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		n := start(t, hub.Options{}, options)
		for _, c := range []*websocket.Conn{n.join("lobby"), n.join("lobby")} {
			go c.Read(t.Context()) // until the goodbye
		}
		if err := n.gateway.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		want := map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 2}[level]
		if got := strings.Count(log.String(), "msg=closed "); got != want || strings.Count(log.String(), "connections=2") != 1 {
			t.Errorf("at %v: %d lines, want %d and one with the count:\n%s", level, got, want, &log)
		}
	}
}

func TestOriginThatIsNoneIsRefusedAtTheStart(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.Origins = []string{"https://app.example.com/path"}
	h, _ := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	defer h.Shutdown(t.Context())
	if _, err := channelhttp.New(h, options); err == nil || !strings.Contains(err.Error(), "app.example.com/path") {
		t.Errorf("New: %v, want an error that names the origin", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	n := start(t, hub.Options{MaxSessions: 2}, channelhttp.Options{})
	first := n.join("a")
	n.join("b")

	_, response, err := n.dial("c", nil)
	if err == nil || response == nil {
		t.Fatalf("a third connection: %v", err)
	}
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("a third connection was answered %s with %v", response.Status, response.Header)
	}
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), "no room") {
		t.Errorf("the refusal says %q", body)
	}
	if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	n.until(func() bool { return n.hub.Sessions() == 1 })
	n.join("c")
}

func TestRefusedHandshakesGiveTheirPlaceBack(t *testing.T) {
	n := start(t, hub.Options{MaxSessions: 1}, channelhttp.Options{})
	for range 3 {
		if _, _, err := n.dial("lobby", http.Header{"Origin": {"https://evil.example"}}); err == nil {
			t.Fatal("a foreign origin was let in")
		}
	}
	n.join("lobby")
}

func TestRequestsThatAreRefusedWithASentence(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	upgrade := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, c := range []struct {
		proves, method, path string
		header               map[string]string
		status               int
		sentence             string
	}{
		{"not GET", "PUT", "lobby", upgrade, http.StatusMethodNotAllowed, "GET"},
		{"HEAD", "HEAD", "lobby", upgrade, http.StatusMethodNotAllowed, ""},
		{"old version", "GET", "lobby", with(upgrade, "Sec-WebSocket-Version", "8"), http.StatusUpgradeRequired, "13"},
		{"foreign origin", "GET", "lobby", with(upgrade, "Origin", "https://evil.example"), http.StatusForbidden, "https://evil.example"},
		{"control character", "GET", "a%0Ab", upgrade, http.StatusBadRequest, "U+000A"},
		{"not UTF-8", "GET", "a%FF", upgrade, http.StatusBadRequest, "not valid UTF-8"},
		{"too long", "GET", strings.Repeat("x", 256), upgrade, http.StatusBadRequest, "at most 255"},
		{"space at the end", "GET", "lobby%20", upgrade, http.StatusBadRequest, "space"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+n.host+"/channels/"+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range c.header {
				request.Header.Set(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || !strings.Contains(string(body), c.sentence) {
				t.Errorf("answered %s: %q, want %d and a sentence with %q", response.Status, body, c.status, c.sentence)
			}
			if n.hub.Sessions() != 0 {
				t.Error("a refused request kept its session")
			}
		})
	}
}

func with(header map[string]string, name, value string) map[string]string {
	changed := map[string]string{name: value}
	for k, v := range header {
		if k != name {
			changed[k] = v
		}
	}
	return changed
}

func TestChannelNamesTravelEscaped(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	for _, name := range []string{"plant/line 3", "a%b", "..%2f", "κανάλι", "🎉", strings.Repeat("é", 127)} {
		c := n.join(name) // which waits until the hub has a subscriber of that very name
		send(t, c, websocket.Text, name)
		expect(t, c, websocket.Text, name)
	}
}

func TestOrigins(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.Origins = []string{"https://app.example.com", "*.example.org"}
	n := start(t, hub.Options{}, options)
	for _, c := range []struct {
		proves, origin string
		allowed        bool
	}{
		{"no browser", "", true},
		{"same origin", "http://" + n.host, true},
		{"listed", "https://app.example.com", true},
		{"under a listed pattern", "https://a.example.org", true},
		{"same host, other scheme", "https://" + n.host, false},
		{"same host, other port", "http://127.0.0.1:1", false},
		{"suffix of a name", "https://evilexample.org", false},
		{"foreign", "https://evil.example", false},
		{"opaque", "null", false},
	} {
		t.Run(c.proves, func(t *testing.T) {
			header := http.Header{}
			if c.origin != "" {
				header.Set("Origin", c.origin)
			}
			conn, response, err := n.dial("lobby", header)
			if c.allowed {
				if err != nil {
					t.Fatal(err)
				}
				conn.CloseNow()
				return
			}
			if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
				t.Fatalf("%v, %v; want 403", err, response)
			}
		})
	}
}
