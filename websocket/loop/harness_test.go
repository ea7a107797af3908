// What the tests stand on: servers for every driver, a guard over the order of the handler's calls, and raw peers, who say
// what no client would.

package loop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// driver is one of the ways in which a server moves the bytes of a connection.
type driver struct {
	name       string
	goroutines bool
	tls        bool
}

var drivers = []driver{
	{name: "epoll"},
	{name: "goroutines", goroutines: true},
	{name: "epoll over TLS", tls: true},
	{name: "goroutines over TLS", goroutines: true, tls: true},
}

// eachDriver runs f for every driver, at the same time.
func eachDriver(t *testing.T, f func(t *testing.T, d driver)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

var modes = map[string]websocket.CompressionMode{
	"plain":       websocket.CompressionOff,
	"no takeover": websocket.CompressionNoTakeover,
	"takeover":    websocket.CompressionTakeover,
}

// eachMode runs f for every driver and mode of compression.
func eachMode(t *testing.T, f func(t *testing.T, d driver, mode websocket.CompressionMode)) {
	eachDriver(t, func(t *testing.T, d driver) {
		for name, mode := range modes {
			if d.tls && mode == websocket.CompressionNoTakeover {
				continue // TLS lies beneath it: the two that differ most will do
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t, d, mode)
			})
		}
	})
}

// compressing makes a server compress all that is not tiny.
func compressing(mode websocket.CompressionMode) loop.Options {
	return loop.Options{Accept: websocket.AcceptOptions{Compression: websocket.Compression{Mode: mode, Threshold: 16}}}
}

// site is a server that listens.
type site struct {
	*loop.Server
	t        testing.TB
	addr     string
	client   *tls.Config // how to reach it; nil without TLS
	guard    *guard
	detached atomic.Int32 // connections that the test has detached, and whose Close is never called
}

// start runs a server for handler until the test ends, and checks then that it has kept its order.
func (d driver) start(t testing.TB, handler loop.Handler, opts loop.Options) *site {
	t.Helper()
	opts.Goroutines = d.goroutines
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &site{t: t, guard: &guard{t: t}}
	var err error
	if s.Server, err = loop.New(s.guard.over(handler), &opts); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	s.addr = l.Addr().String()
	l = s.over(d, l)
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.Serve(l); err != http.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond) // long tests close what they open
		defer cancel()
		s.Shutdown(ctx)
		served.Wait()
		s.guard.check(int(s.detached.Load()))
	})
	return s
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// over is l as the driver wants it, over TLS or plain.
func (s *site) over(d driver, l net.Listener) net.Listener {
	l = smallBuffers{l}
	if !d.tls {
		return l
	}
	server, client := certificate()
	s.client = client
	if d.goroutines {
		return tls.NewListener(l, server)
	}
	return loop.NewTLSListener(l, server)
}

// smallBuffers is a listener whose connections fill up soon when their peers do not read.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return nc, err
}

// certificate is the two ends of a TLS connection that trust each other.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	// The default's post-quantum half would take more time than the rest of the tests.
	return server, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", CurvePreferences: []tls.CurveID{tls.CurveP256}}
})

// guard watches over what a handler is promised: Open, Message and Close in order, one at a time, Close once.
type guard struct {
	t      testing.TB
	states sync.Map // *loop.Conn → *guarded
	opened atomic.Int32
	closed atomic.Int32
}

type guarded struct {
	busy   atomic.Bool
	opened bool
	closed bool
}

// enter is the beginning of a call for c; the function that it returns is the end.
func (g *guard) enter(c *loop.Conn, name string) func() {
	state, _ := g.states.LoadOrStore(c, new(guarded))
	s := state.(*guarded)
	if !s.busy.CompareAndSwap(false, true) {
		g.t.Errorf("%s is called while another call for this connection has not returned", name)
		return func() {}
	}
	if s.closed {
		g.t.Errorf("%s is called after Close", name)
	}
	if s.opened == (name == "Open") {
		g.t.Errorf("%s is called, and Open was called before: %t", name, s.opened)
	}
	s.opened, s.closed = true, name == "Close"
	return func() { s.busy.Store(false) }
}

// over is h, watched.
func (g *guard) over(h loop.Handler) loop.Handler {
	return loop.Handler{
		Open: func(c *loop.Conn) {
			g.opened.Add(1)
			defer g.enter(c, "Open")()
			if h.Open != nil {
				h.Open(c)
			}
		},
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			defer g.enter(c, "Message")()
			if h.Message != nil {
				h.Message(c, typ, payload)
			}
		},
		Close: func(c *loop.Conn, err error) {
			defer g.closed.Add(1)
			defer g.enter(c, "Close")()
			if err == nil {
				g.t.Error("Close is called without an error")
			}
			if got := c.Err(); got != err {
				g.t.Errorf("Close is called with %v, but Err is %v", err, got)
			}
			if h.Close != nil {
				h.Close(c, err)
			}
		},
		Drained: func(c *loop.Conn) {
			defer g.enter(c, "Drained")()
			if h.Drained != nil {
				h.Drained(c)
			}
		},
		Dropped: h.Dropped,
	}
}

// check is for the end, when every connection has to be closed but those that were detached.
func (g *guard) check(detached int) {
	if opened, closed := int(g.opened.Load()), int(g.closed.Load()); opened != closed+detached {
		g.t.Errorf("%d connections were opened and %d were closed, %d were detached", opened, closed, detached)
	}
}

// echo answers every message with itself.
func echo(c *loop.Conn, typ websocket.MessageType, payload []byte) { c.Write(typ, payload) }

// dial connects a client.
func (s *site) dial(opts websocket.DialOptions) *websocket.Conn {
	s.t.Helper()
	c, err := s.tryDial(opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.CloseNow() })
	return c
}

func (s *site) tryDial(opts websocket.DialOptions) (*websocket.Conn, error) {
	scheme := "ws://"
	if s.client != nil {
		scheme, opts.TLSConfig = "wss://", s.client
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, scheme+s.addr+"/", &opts)
	return c, err
}

// peer is a client in the test's own hands.
type peer struct {
	t   testing.TB
	tcp *net.TCPConn
	nc  net.Conn // tcp, or TLS over it
	r   *bufio.Reader
}

// connect connects a peer and says nothing yet. Its receive buffer is small.
func (s *site) connect() *peer {
	s.t.Helper()
	nc, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &peer{t: s.t, tcp: nc.(*net.TCPConn), nc: nc}
	p.tcp.SetReadBuffer(64 << 10)
	if s.client != nil {
		p.nc = tls.Client(nc, s.client)
	}
	s.t.Cleanup(func() { p.tcp.Close() })
	p.tcp.SetDeadline(time.Now().Add(patience))
	p.r = bufio.NewReader(p.nc)
	return p
}

const upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// peer connects a peer that has done the opening handshake. early is sent along with its request.
func (s *site) peer(early ...[]byte) *peer {
	s.t.Helper()
	p := s.connect()
	p.send(append([]byte(upgrade+"\r\n"), bytes.Join(early, nil)...))
	p.accepted()
	return p
}

// accepted reads the answer to the handshake.
func (p *peer) accepted() {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("handshake answered with %s", resp.Status)
	}
}

// frame is a frame as a client sends it.
func frame(h wire.Header, payload string) []byte {
	h.Masked, h.Key = true, wire.NewMaskKey()
	return wire.AppendFrame(nil, h, []byte(payload))
}

func text(payload string) []byte { return frame(wire.Header{Fin: true, Opcode: wire.Text}, payload) }

func closing(code websocket.StatusCode, reason string) []byte {
	return frame(wire.Header{Fin: true, Opcode: wire.Close}, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// packed is a compressed message.
func packed(payload string) []byte {
	return frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Text}, string(deflate.Compress(nil, []byte(payload), 1, 15)))
}

// send writes bytes as they are, in one write.
func (p *peer) send(pieces ...[]byte) {
	p.t.Helper()
	if _, err := p.nc.Write(bytes.Join(pieces, nil)); err != nil {
		p.t.Errorf("peer: %v", err)
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
		payload := make([]byte, h.Length)
		_, err = io.ReadFull(p.r, payload)
		return h, string(payload), err
	}
}

// want reads a frame, which must be this one.
func (p *peer) want(op wire.Opcode, payload string) {
	p.t.Helper()
	h, got, err := p.next()
	if err != nil {
		p.t.Fatalf("peer: waiting for a %v frame %.60q: %v", op, payload, err)
	}
	if h.Opcode != op || got != payload {
		p.t.Fatalf("peer: got a %v frame %.60q, want a %v frame %.60q", h.Opcode, got, op, payload)
	}
}

// wantClose reads up to a Close frame, which must have this code and words in its reason, and on to the end of the stream.
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

// wantBytes reads exactly this.
func (p *peer) wantBytes(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.r, got); err != nil || string(got) != want {
		p.t.Fatalf("peer: got %.60q (%d bytes), %v, want %.60q", got[:n], n, err, want)
	}
}

// wantEnd reads to the end of the stream, past any frames.
func (p *peer) wantEnd() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil {
		p.t.Errorf("peer: the stream ends with %v", err)
	}
}

// hangUp closes the line without a word; the server's next read finds it reset.
func (p *peer) hangUp() {
	p.tcp.SetLinger(0)
	p.tcp.Close()
}

// half closes the peer's direction alone.
func (p *peer) half() { p.tcp.CloseWrite() }

// receive waits for something from a channel.
func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// until waits until a condition holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// soon is a context that ends when something that should happen at once has not happened for long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wantMessage reads a text message, which must be this one.
func wantMessage(t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	_, data, err := c.Read(soon(t))
	if err != nil {
		t.Fatalf("waiting for a message: %v", err)
	}
	if string(data) != want {
		t.Fatalf("got %.60q (%d bytes), want %.60q (%d bytes)", data, len(data), want, len(want))
	}
}

// wantError checks that an error is of a kind and has words in its text.
func wantError(t testing.TB, err, kind error, words string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want %v with %q", err, kind, words)
	}
}

// lorem is n bytes of text that compresses, but not to nothing.
func lorem(n int) string { return filler()[:n] }

var filler = sync.OnceValue(func() string {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "%d: the line is open, ", i*i)
	}
	return b.String()
})

// The tests wait far more than they work, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "48")
	os.Exit(m.Run())
}
