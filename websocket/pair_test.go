// What the tests talk over: connected pairs, and a raw peer, who says what no Conn would.

package websocket_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/handshake"
	"github.com/ringdown/ringdown/websocket/wire"
)

// medium is what lies beneath a connection.
type medium string

const (
	overTCP  medium = "tcp"
	overUnix medium = "unix"
	overTLS  medium = "tls"
	overPipe medium = "pipe" // net.Pipe: the one for synctest
)

// link is a connection to be made. Its zero value is a plain one over TCP.
type link struct {
	over   medium
	accept websocket.AcceptOptions
	dial   websocket.DialOptions
	wrap   func(net.Conn) net.Conn // goes around the dialling side's connection; nil is none
	offer  string                  // a raw client's Sec-WebSocket-Extensions
	answer string                  // a raw server's
}

// compressed makes both sides compress everything in the given mode.
func (l link) compressed(mode websocket.CompressionMode) link {
	l.accept.Compression = websocket.Compression{Mode: mode, Threshold: 1}
	l.dial.Compression = l.accept.Compression
	return l
}

// connect makes the connection, for as long as the test runs.
func (l link) connect(t testing.TB) (server, client *websocket.Conn) {
	t.Helper()
	accepted, dial, config := l.listen(t)
	opts := l.dial
	opts.DialContext, opts.TLSConfig = dial, config
	url := "ws://example.com/"
	if l.over == overTLS {
		url = "wss://example.com/"
	}
	client, _, err := websocket.Dial(context.Background(), url, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.CloseNow() })
	return <-accepted, client
}

// listen starts a server and returns where its connections arrive, and how to reach it.
func (l link) listen(t testing.TB) (<-chan *websocket.Conn, func(context.Context, string, string) (net.Conn, error), *tls.Config) {
	accepted := make(chan *websocket.Conn, 1)
	if l.over != overPipe { // with a real clock nobody is pinged or cut where the machine is slow, unless the test says so
		for _, d := range []*time.Duration{&l.accept.KeepAlive.Interval, &l.accept.Limits.FrameTimeout, &l.accept.Limits.WriteTimeout} {
			*d = cmp.Or(*d, time.Hour)
		}
	}
	dial, config := serve(t, l.over, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &l.accept)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.CloseNow() })
		accepted <- c
	}))
	return accepted, func(context.Context, string, string) (net.Conn, error) {
		nc, err := dial()
		if err == nil && l.wrap != nil {
			nc = l.wrap(nc)
		}
		return nc, err
	}, config
}

// serve runs an HTTP server until the test ends.
func serve(t testing.TB, over medium, h http.Handler) (dial func() (net.Conn, error), config *tls.Config) {
	t.Helper()
	var l net.Listener
	var err error
	switch over {
	case overTLS:
		s := httptest.NewTLSServer(h)
		t.Cleanup(s.Close)
		config = s.Client().Transport.(*http.Transport).TLSClientConfig
		return func() (net.Conn, error) { return net.Dial("tcp", s.Listener.Addr().String()) }, config
	case overPipe:
		l = &pipeListener{make(chan net.Conn), make(chan struct{})}
		dial = l.(*pipeListener).dial
	case overUnix:
		path := filepath.Join(t.TempDir(), "socket")
		l, err = net.Listen("unix", path)
		dial = func() (net.Conn, error) { return net.Dial("unix", path) }
	default:
		l, err = net.Listen("tcp", "127.0.0.1:0")
		dial = func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return dial, nil
}

// pipeListener is a listener whose network is this process.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// peer is the other side of a connection, in the test's own hands.
type peer struct {
	t    testing.TB
	nc   net.Conn
	r    *bufio.Reader
	role wire.Role
}

// rawClient connects a raw client to a Conn.
func (l link) rawClient(t testing.TB) (*websocket.Conn, *peer) {
	t.Helper()
	accepted, dial, config := l.listen(t)
	nc, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		config = config.Clone()
		config.ServerName = "example.com"
		nc = tls.Client(nc, config)
	}
	t.Cleanup(func() { nc.Close() })
	p := &peer{t: t, nc: nc, r: bufio.NewReader(nc), role: wire.Client}
	p.send([]byte(upgradeRequest(l.offer)))
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered with %s", resp.Status)
	}
	return <-accepted, p
}

func upgradeRequest(extensions string) string {
	request := "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if extensions != "" {
		request += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	return request + "\r\n"
}

// rawServer connects a dialled Conn to a raw server.
func (l link) rawServer(t testing.TB) (*websocket.Conn, *peer) {
	t.Helper()
	near, far := net.Pipe()
	if l.over != overPipe {
		near, far = tcpPipe(t)
	}
	t.Cleanup(func() { far.Close() })
	p := &peer{t: t, nc: far, r: bufio.NewReader(far), role: wire.Server}
	go func() {
		r, err := http.ReadRequest(p.r)
		if err != nil {
			t.Error(err)
			return
		}
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			handshake.AcceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n"
		if l.answer != "" {
			answer += "Sec-WebSocket-Extensions: " + l.answer + "\r\n"
		}
		p.send([]byte(answer + "\r\n"))
	}()
	opts := l.dial
	opts.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if l.wrap != nil {
			return l.wrap(near), nil
		}
		return near, nil
	}
	c, _, err := websocket.Dial(t.Context(), "ws://example.com/", &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, p
}

// tcpPipe is net.Pipe over TCP.
func tcpPipe(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err == nil {
		far, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// frame is a frame as this peer sends it.
func (p *peer) frame(h wire.Header, payload string) []byte {
	if p.role == wire.Client {
		h.Masked, h.Key = true, wire.NewMaskKey()
	}
	return wire.AppendFrame(nil, h, []byte(payload))
}

// text is a whole text message as this peer sends it.
func (p *peer) text(payload string) []byte {
	return p.frame(wire.Header{Fin: true, Opcode: wire.Text}, payload)
}

// packed is a whole compressed message of a type as this peer sends it.
func (p *peer) packed(op wire.Opcode, payload string) []byte {
	return p.frame(wire.Header{Fin: true, RSV1: true, Opcode: op}, string(deflate.Compress(nil, []byte(payload), 1, 15)))
}

// control is a control frame as this peer sends it.
func (p *peer) control(op wire.Opcode, payload string) []byte {
	return p.frame(wire.Header{Fin: true, Opcode: op}, payload)
}

// closing is a Close frame as this peer sends it.
func (p *peer) closing(code websocket.StatusCode, reason string) []byte {
	return p.control(wire.Close, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// send writes bytes as they are.
func (p *peer) send(pieces ...[]byte) {
	p.t.Helper()
	for _, b := range pieces {
		if _, err := p.nc.Write(b); err != nil {
			p.t.Errorf("peer: %v", err)
			return
		}
	}
}

// next reads a frame.
func (p *peer) next() (wire.Header, string, error) {
	var head []byte
	for {
		b, err := p.r.ReadByte()
		if err != nil {
			return wire.Header{}, "", err
		}
		head = append(head, b)
		h, n, err := wire.ParseHeader(head)
		if err != nil {
			return h, "", err
		}
		if n == 0 {
			continue
		}
		if h.Masked == (p.role == wire.Client) {
			return h, "", errors.New("frame masked by the wrong side")
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.r, payload); err != nil {
			return h, "", err
		}
		if h.Masked {
			wire.Mask(payload, h.Key)
		}
		return h, string(payload), nil
	}
}

// want reads a frame, which must be this one.
func (p *peer) want(op wire.Opcode, payload string) {
	p.t.Helper()
	h, got, err := p.next()
	if err != nil {
		p.t.Fatalf("peer: waiting for a %v frame: %v", op, err)
	}
	if h.Opcode != op || got != payload {
		p.t.Fatalf("peer: got a %v frame %.60q, want a %v frame %.60q", h.Opcode, got, op, payload)
	}
}

// wantClose reads up to a Close frame, which must have this code and words in its reason.
func (p *peer) wantClose(code websocket.StatusCode, words string) {
	p.t.Helper()
	for {
		h, payload, err := p.next()
		if err != nil {
			p.t.Errorf("peer: no Close frame: %v", err)
			return
		}
		if h.Opcode != wire.Close {
			continue
		}
		got, reason := websocket.StatusNoStatus, ""
		if len(payload) >= 2 {
			got, reason = websocket.StatusCode(payload[0])<<8|websocket.StatusCode(payload[1]), payload[2:]
		}
		if got != code || !strings.Contains(reason, words) {
			p.t.Errorf("peer: closed with %v %q, want %v %q", got, reason, code, words)
		}
		return
	}
}

// wantEnd reads to the end of the stream, past any frames.
func (p *peer) wantEnd() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil {
		p.t.Errorf("peer: the stream ends with %v", err)
	}
}

// discard reads and forgets whatever comes, until the connection ends.
func (p *peer) discard() { go io.Copy(io.Discard, p.r) }

// wantMessage reads a message, which must be this one.
func wantMessage(t testing.TB, c *websocket.Conn, typ websocket.MessageType, want string) {
	t.Helper()
	got, data, err := c.Read(context.Background())
	if err != nil {
		t.Fatalf("waiting for a message: %v", err)
	}
	if got != typ || string(data) != want {
		t.Fatalf("got %v %.60q (%d bytes), want %v %.60q (%d bytes)", got, data, len(data), typ, want, len(want))
	}
}

// wantError checks that an error is of a kind and has words in its text.
func wantError(t testing.TB, err, kind error, words string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want %v with %q", err, kind, words)
	}
}

// wantViolation checks that an error is the peer's violation with this code.
func wantViolation(t testing.TB, err error, code websocket.StatusCode, words string) {
	t.Helper()
	violation, ok := errors.AsType[*websocket.ProtocolError](err)
	if !ok || violation.Code != code || !strings.Contains(violation.Reason, words) {
		t.Errorf("error %v, want a ProtocolError %v with %q", err, code, words)
	}
}

// soon is a context that ends when something that should happen at once has not happened for long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// echo answers every message with itself until the connection ends.
func echo(c *websocket.Conn) error {
	ctx := context.Background()
	for m, err := range c.Messages(ctx) {
		if err == nil {
			err = c.Write(ctx, m.Type, m.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lorem is n bytes of text that compresses, but not to nothing, up to 2 MiB.
func lorem(n int) string { return filler()[:n] }

var filler = sync.OnceValue(func() string {
	var b []byte
	for i := 0; len(b) < 2<<20; i++ {
		b = append(strconv.AppendInt(b, int64(i*i), 10), ": the line is open, "...)
	}
	return string(b)
})

var modes = map[string]websocket.CompressionMode{
	"plain":       websocket.CompressionOff,
	"no takeover": websocket.CompressionNoTakeover,
	"takeover":    websocket.CompressionTakeover,
}
