package connect_test

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/connect"
)

// trust makes the test's certificate one of the system's, for connections whose configuration a test cannot set. It can be
// done once in a program.
var trust sync.Once

// An https proxy is an HTTP proxy behind TLS of its own, whose certificate is checked against the system's authorities.
func TestConnectGoesThroughAnHTTPSProxy(t *testing.T) {
	t.Setenv("GODEBUG", "x509usefallbackroots=1")
	asked := make(chan *http.Request, 1)
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(nc, nc) // the far end of the tunnel is an echo
	}))
	proxy.EnableHTTP2 = true
	proxy.StartTLS()
	defer proxy.Close()
	trust.Do(func() {
		pool := x509.NewCertPool()
		pool.AddCert(proxy.Certificate())
		x509.SetFallbackRoots(pool)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	target, err := connect.Parse("ws://far.example/chat")
	if err != nil {
		t.Fatal(err)
	}
	by, _ := url.Parse(proxy.URL)
	by.User = url.UserPassword("ada", "pw")
	d := connect.Dialer{Proxy: func(*url.URL) (*url.URL, error) { return by, nil }}
	nc, err := d.Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r := <-asked
	if r.Method != "CONNECT" || r.RequestURI != "far.example:80" || r.TLS.NegotiatedProtocol == "h2" {
		t.Errorf("%s %s over %q", r.Method, r.RequestURI, r.TLS.NegotiatedProtocol)
	}
	if got := r.Header.Get("Proxy-Authorization"); got != "Basic YWRhOnB3" {
		t.Errorf("Proxy-Authorization: %q", got)
	}
	if _, err := io.WriteString(nc, "ping"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 4)
	if _, err := io.ReadFull(nc, echo); err != nil || string(echo) != "ping" {
		t.Errorf("through the tunnel came %q, %v", echo, err)
	}
}

// What a tunnel ends in is the connection itself, not a wrapper that would hide that it can be half closed.
func TestConnectReturnsTheConnectionToASOCKSProxyBare(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		io.ReadFull(far, make([]byte, 3)) // version, one method
		far.Write([]byte{5, 0})
		io.ReadFull(far, make([]byte, 4+1+len("far.example")+2))
		far.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80})
	}()
	target, err := connect.Parse("ws://far.example/")
	if err != nil {
		t.Fatal(err)
	}
	d := connect.Dialer{
		Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("socks5://proxy.example") },
		Dial:  func(context.Context, string, string) (net.Conn, error) { return near, nil },
	}
	if nc, err := d.Connect(t.Context(), target); nc != near {
		t.Errorf("%T, %v; want the %T that was dialled", nc, err, near)
	}
}

func TestProxiesHaveUsualPorts(t *testing.T) {
	target, err := connect.Parse("ws://far.example/")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ proxy, want string }{
		{"http://proxy.example", "proxy.example:80"},
		{"https://proxy.example", "proxy.example:443"},
		{"socks5://proxy.example", "proxy.example:1080"},
		{"socks5h://[2001:db8::1]", "[2001:db8::1]:1080"},
		{"http://proxy.example:3128", "proxy.example:3128"},
	} {
		asked := ""
		d := connect.Dialer{
			Proxy: func(*url.URL) (*url.URL, error) { return url.Parse(test.proxy) },
			Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
				asked = addr
				return nil, net.ErrClosed
			},
		}
		if _, err := d.Connect(t.Context(), target); err == nil || asked != test.want {
			t.Errorf("%s: dialled %q, want %q", test.proxy, asked, test.want)
		}
	}
}
