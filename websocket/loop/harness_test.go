// What the tests stand on: servers for every driver, and ways to wait.

package loop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

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
	unhurried(&opts)
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

// unhurried gives peers an hour for what a test does not limit itself, so that none is pinged or cut where the machine is slow.
func unhurried(o *loop.Options) {
	for _, d := range []*time.Duration{&o.Accept.KeepAlive.Interval, &o.Accept.Limits.FrameTimeout, &o.Accept.Limits.WriteTimeout, &o.Outbox.Age} {
		if *d == 0 {
			*d = time.Hour
		}
	}
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
	pause := time.Millisecond // which grows, for many tests wait at once
	for start := time.Now(); !holds(); time.Sleep(pause) {
		pause = min(pause*3/2, 10*time.Millisecond)
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
	var b []byte
	for i := 0; len(b) < 1<<20; i++ {
		b = append(strconv.AppendInt(b, int64(i*i), 10), ": the line is open, "...)
	}
	return string(b)
})

// The tests wait far more than they work, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "48")
	os.Exit(m.Run())
}
