// Clients for the tests, which speak the wire themselves: over a WebSocket, and over long polling.

package socketio_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// patience is how long anything may take.
const patience = time.Minute

// node is a server with its hub.
type node struct {
	*socketio.Server
	hub *hub.Hub
	url string
}

// history keeps something of every channel.
var history = []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 1000, Age: time.Hour}}}

func start(t *testing.T, o socketio.Options) *node {
	t.Helper()
	h, err := hub.New(hub.Options{Broker: newBroker(), Rules: history, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	return over(t, h, o)
}

// over starts a server over a hub.
func over(t *testing.T, h *hub.Hub, o socketio.Options) *node {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	server, err := socketio.New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	})
	return &node{server, h, web.URL + "/socket.io/?EIO=4"}
}

// link is a client's transport: whole Engine.IO packets, binary ones behind "b:".
type link interface {
	write(t *testing.T, packet string)
	read(ctx context.Context) (packet string, err error)
	close()
}

// peer is a client.
type peer struct {
	t *testing.T
	link
}

func (n *node) dial(t *testing.T) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(n.url, "http")+"&transport=websocket", &websocket.DialOptions{Limits: websocket.Limits{Message: 64 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t, webSocket{conn}}
	t.Cleanup(p.close)
	if open := p.next(); !strings.HasPrefix(open, "0{") {
		t.Fatalf("%q is no open packet", open)
	}
	return p
}

// poll is dial over long polling.
func (n *node) poll(t *testing.T) *peer {
	t.Helper()
	l := &polling{url: n.url + "&transport=polling"}
	p := &peer{t, l}
	t.Cleanup(p.close)
	open := p.next()
	var opened struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &opened); err != nil {
		t.Fatalf("%q: %v", open, err)
	}
	l.url += "&sid=" + opened.SID
	return p
}

type webSocket struct{ *websocket.Conn }

func (w webSocket) close() { w.CloseNow() }

func (w webSocket) write(t *testing.T, packet string) {
	kind := websocket.Text
	if rest, binary := strings.CutPrefix(packet, "b:"); binary {
		kind, packet = websocket.Binary, rest
	}
	if err := w.Write(t.Context(), kind, []byte(packet)); err != nil {
		t.Logf("writing %.60q: %v", packet, err)
	}
}

func (w webSocket) read(ctx context.Context) (string, error) {
	kind, payload, err := w.Read(ctx)
	if kind == websocket.Binary {
		return "b:" + string(payload), err
	}
	return string(payload), err
}

type polling struct {
	url     string
	waiting []string
}

func (l *polling) close() {}

func (l *polling) write(t *testing.T, packet string) {
	if rest, binary := strings.CutPrefix(packet, "b:"); binary {
		packet = "b" + encode64(rest)
	}
	r, err := http.Post(l.url, "text/plain;charset=UTF-8", strings.NewReader(packet))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

func (l *polling) read(ctx context.Context) (string, error) {
	for len(l.waiting) == 0 {
		q, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return "", err
		}
		if r.StatusCode != http.StatusOK {
			return "", &httpError{r.StatusCode, string(body)}
		}
		l.waiting = strings.Split(string(body), "\x1e")
	}
	packet := l.waiting[0]
	l.waiting = l.waiting[1:]
	if rest, binary := strings.CutPrefix(packet, "b"); binary {
		return "b:" + decode64(rest), nil
	}
	return packet, nil
}

type httpError struct {
	status int
	body   string
}

func (e *httpError) Error() string { return http.StatusText(e.status) + ": " + e.body }

// next is the next packet that is no ping; pings are answered.
func (p *peer) next() string {
	p.t.Helper()
	packet, err := p.tryNext()
	if err != nil {
		p.t.Fatalf("reading: %v", err)
	}
	return packet
}

func (p *peer) tryNext() (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		packet, err := p.read(ctx)
		if err != nil || packet != "2" && packet != "6" {
			return packet, err
		}
		if packet == "2" {
			p.write(p.t, "3")
		}
	}
}

func (p *peer) send(packets ...string) {
	p.t.Helper()
	for _, packet := range packets {
		p.write(p.t, packet)
	}
}

// expect reads packets, which must be these.
func (p *peer) expect(packets ...string) {
	p.t.Helper()
	for _, want := range packets {
		if got := p.next(); got != want {
			p.t.Fatalf("%q came instead of %q", got, want)
		}
	}
}

// accepted is what the server answers CONNECT with.
type accepted struct{ SID, PID string }

// connect connects to a namespace.
func (p *peer) connect(namespace, auth string) accepted {
	p.t.Helper()
	return p.welcome(namespace, auth, p.ask(namespace, auth))
}

// ask sends CONNECT.
func (p *peer) ask(namespace, auth string) (prefix string) {
	if namespace != "/" {
		prefix = namespace + ","
	}
	p.send("40" + prefix + auth)
	return prefix
}

// welcome reads the answer to CONNECT.
func (p *peer) welcome(namespace, auth, prefix string) (a accepted) {
	p.t.Helper()
	answer := p.next()
	data, ok := strings.CutPrefix(answer, "40"+prefix)
	if err := json.Unmarshal([]byte(data), &a); !ok || err != nil || a.SID == "" {
		p.t.Fatalf("%q is the answer to CONNECT %s %s", answer, namespace, auth)
	}
	return a
}

// ended reads until the server has closed the connection.
func (p *peer) ended() {
	p.t.Helper()
	for {
		packet, err := p.tryNext()
		if err != nil {
			if ctx := p.t.Context(); ctx.Err() != nil || strings.Contains(err.Error(), "deadline") {
				p.t.Fatalf("the connection is open: %v", err)
			}
			return
		}
		if packet == "1" { // the last of a poll
			return
		}
	}
}

// alive makes sure that the client is connected, and that the server has taken what it sent before. The server needs a handler "alive".
func (p *peer) alive() {
	p.t.Helper()
	p.send(`42987["alive"]`)
	p.expect(`43987[]`)
}

// alone makes sure that the server has taken what it sent before, on a connection that is in no namespace.
func (p *peer) alone() {
	p.t.Helper()
	p.connect("/", "")
	p.alive()
}

// await waits for something that a handler does.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("it did not come")
		panic("unreachable")
	}
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

// answering has a socket answer "alive", and do some more.
func answering(more func(*socketio.Socket)) func(*socketio.Socket) {
	return func(s *socketio.Socket) {
		s.On("alive", func(ack socketio.Ack) { ack.Send() })
		if more != nil {
			more(s)
		}
	}
}

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func decode64(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}
func newBroker() hub.Broker { return memory.New(memory.Options{}) }
