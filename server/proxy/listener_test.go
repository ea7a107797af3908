package proxy_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/proxy"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

const patience = 20 * time.Second

// behind is a listener that takes the machine itself for a proxy, if trusting.
func behind(t *testing.T, trusting bool, o proxy.Options) net.Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trusted := new(proxy.Trusted)
	if trusting {
		trusted, _ = proxy.Parse("127.0.0.0/8")
	}
	o.Log = slog.New(slog.DiscardHandler)
	l := trusted.Listener(inner, o)
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener, say string) net.Conn {
	t.Helper()
	nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, say); err != nil {
		t.Fatal(err)
	}
	return nc
}

const (
	line = "PROXY TCP4 192.0.2.1 10.0.0.1 4660 8080\r\n"

	// Version 2: a connection of the proxy itself, and one whose client has no address over TCP.
	local   = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	overUDP = "\r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x1f\x90"
)

func TestAConnectionComesFromWhereATrustedProxySays(t *testing.T) {
	l := behind(t, true, proxy.Options{})
	for say, want := range map[string]string{line: "192.0.2.1:4660", "PROXY UNKNOWN\r\n": "unknown", overUDP: "unknown", local: ""} {
		client := dial(t, l, say+"hello")
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if want == "" {
			want = client.LocalAddr().String()
		}
		if got := nc.RemoteAddr().String(); got != want {
			t.Errorf("%q: comes from %s, want %s", say, got, want)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(nc, b); err != nil || string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
	}
}

// The bytes behind such a header are the client's own, whoever has sent the header.
func TestWhoIsUnknownToTheProxyCannotChooseItsAddress(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "socket")} {
		inner, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		trusted, _ := proxy.Parse("127.0.0.0/8", "unix")
		seen := make(chan proxy.Client, 1)
		h := &http.Server{Handler: trusted.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- proxy.From(r) }))}
		go h.Serve(trusted.Listener(inner, proxy.Options{}))
		defer h.Close()
		for _, say := range []string{"PROXY UNKNOWN\r\n", overUDP} {
			dial(t, inner, say+"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.66\r\nX-Forwarded-Host: evil.example\r\n\r\n")
			select {
			case c := <-seen:
				if c.Address.IsValid() || c.Proxied || c.Host != "a" {
					t.Errorf("%s, %q: %+v", network, say, c)
				}
			case <-time.After(patience):
				t.Fatalf("%s, %q: no request has arrived", network, say)
			}
		}
	}
}

func TestNobodyElseIsBelieved(t *testing.T) {
	l := behind(t, false, proxy.Options{})
	client := dial(t, l, line)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b := make([]byte, len(line))
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != line || nc.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("%s sent %q, %v", nc.RemoteAddr(), b, err)
	}
}

func TestAHeaderThatIsWrongOrLateEndsOnlyItsOwnConnection(t *testing.T) {
	l := behind(t, true, proxy.Options{Timeout: 50 * time.Millisecond})
	wrong, late := dial(t, l, "GET / HTTP/1.1\r\n\r\n"), dial(t, l, "PROXY TCP4 192.")
	dial(t, l, line)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := nc.RemoteAddr().String(); got != "192.0.2.1:4660" {
		t.Errorf("handed on: %s", got)
	}
	for _, refused := range []net.Conn{wrong, late} {
		_, err := refused.Read(make([]byte, 1))
		if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() {
			t.Errorf("not closed: %v", err)
		}
	}
}

func TestClosingTheListenerLetsNobodyHang(t *testing.T) {
	l := behind(t, true, proxy.Options{Timeout: time.Hour})
	silent := dial(t, l, "P")
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; err == nil {
		t.Error("accepted after Close")
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("one that was waited for is still there")
	}
}

func TestAConnectionBehindAProxyRidesTheEventLoop(t *testing.T) {
	l := behind(t, true, proxy.Options{})
	remote := make(chan net.Addr, 1)
	server, err := loop.New(loop.Handler{
		Open:    func(c *loop.Conn) { remote <- c.RemoteAddr() },
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) { c.Write(typ, payload) },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RemoteAddr
		server.ServeHTTP(w, r)
	})}
	go h.Serve(l)
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer server.Shutdown(ctx)

	c := dial(t, l, line+"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", answer, err)
	}
	if got := <-asked; got != "192.0.2.1:4660" {
		t.Errorf("the request comes from %s", got)
	}
	if got := (<-remote).String(); got != "192.0.2.1:4660" {
		t.Errorf("the line comes from %s", got)
	}
	c.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'})
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "\x81\x02hi" {
		t.Errorf("%q, %v", b, err)
	}
	c.Close()
}
