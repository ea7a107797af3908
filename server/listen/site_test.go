package listen_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/listen"
	"github.com/ringdown/ringdown/websocket"
)

// counting counts the connections that are closed: those that the event loop has taken over are.
type counting struct {
	net.Listener
	closed *atomic.Int32
}

func (l counting) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{Conn: nc, closed: l.closed}, nil
}

type counted struct {
	net.Conn
	closed *atomic.Int32
	once   sync.Once
}

func (c *counted) Socket() net.Conn { return c.Conn }

func (c *counted) Close() error {
	c.once.Do(func() { c.closed.Add(1) })
	return c.Conn.Close()
}

// One port: pages, publishing and event streams over HTTP/2; WebSockets and event streams over HTTP/1.1, on the event loop.
func TestHTTP2AndWebSocketsLiveOnOnePort(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone}}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	channels, err := channelhttp.New(h, channelhttp.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", channels)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page over "+r.Proto) })
	ca := newIssuer(t)
	certificate, key := ca.files(t.TempDir(), "chat.example", inAnHour())
	var closed atomic.Int32
	l := open(t, listen.Spec{Address: "127.0.0.1:0", Certificate: certificate, Key: key,
		Wrap: func(l net.Listener) net.Listener { return counting{l, &closed} }})[0]
	server := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go server.Serve(l)
	defer func() {
		server.Close()
		channels.Shutdown(ctx)
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	base := "://" + l.Addr().String()

	two := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.client("chat.example"), ForceAttemptHTTP2: true}}
	one := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.client("chat.example")}}
	defer two.CloseIdleConnections()
	defer one.CloseIdleConnections()
	do := func(client *http.Client, method, path, accept, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, "https"+base+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		r.Header.Set("Content-Type", "text/plain")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	page := do(two, "GET", "/", "text/html", "")
	if body, _ := io.ReadAll(page.Body); string(body) != "page over HTTP/2.0" {
		t.Errorf("%q", body)
	}
	page.Body.Close()

	ws, _, err := websocket.Dial(ctx, "wss"+base+"/channels/lobby", &websocket.DialOptions{TLSConfig: ca.client("chat.example")})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.Text, []byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.Read(ctx); err != nil || string(got) != "here" { // now it is in the channel
		t.Fatalf("%q, %v", got, err)
	}
	streams := map[string]*http.Response{
		"HTTP/2.0": do(two, "GET", "/channels/lobby", "text/event-stream", ""),
		"HTTP/1.1": do(one, "GET", "/channels/lobby", "text/event-stream", ""),
	}
	for proto, stream := range streams {
		defer stream.Body.Close()
		if stream.Proto != proto || stream.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", proto, stream.Proto, stream.Status)
		}
	}
	for runtime.GOOS == "linux" && closed.Load() != 2 { // the WebSocket and the stream over HTTP/1.1
		if ctx.Err() != nil {
			t.Fatalf("%d connections ride the event loop, not 2", closed.Load())
		}
		time.Sleep(time.Millisecond)
	}

	published := do(two, "POST", "/channels/lobby", "application/json", "hello over HTTP/2")
	if published.ProtoMajor != 2 || published.StatusCode/100 != 2 {
		body, _ := io.ReadAll(published.Body)
		t.Fatalf("%s %s: %s", published.Proto, published.Status, body)
	}
	receipt, _ := io.ReadAll(published.Body)
	published.Body.Close()
	if _, got, err := ws.Read(ctx); err != nil || string(got) != "hello over HTTP/2" {
		t.Errorf("over WebSocket: %q, %v; published: %s", got, err, receipt)
	}
	for proto, stream := range streams {
		lines := bufio.NewScanner(stream.Body)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "data:") {
		}
		if !strings.Contains(lines.Text(), "hello over HTTP/2") {
			t.Errorf("the event stream over %s: %q, %v", proto, lines.Text(), lines.Err())
		}
	}
}
