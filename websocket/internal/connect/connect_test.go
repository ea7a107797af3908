package connect_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/connect"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		url    string
		secure bool
		socket string
		host   string // to connect to
		http   string // the resource
	}{
		{"ws://example.com", false, "", "example.com:80", "http://example.com"},
		{"wss://example.com/a?b=c", true, "", "example.com:443", "https://example.com/a?b=c"},
		{"http://example.com:8080/", false, "", "example.com:8080", "http://example.com:8080/"},
		{"https://example.com:/", true, "", "example.com:443", "https://example.com:/"},
		{"WSS://[::1]/", true, "", "[::1]:443", "https://[::1]/"},
		{"ws://[fe80::1%25eth0]:81/", false, "", "[fe80::1%eth0]:81", "http://[fe80::1%25eth0]:81/"},
		{"ws://ada:pw@example.com/a%2Fb", false, "", "example.com:80", "http://ada:pw@example.com/a%2Fb"},
		{"ws+unix:///run/app.sock", false, "/run/app.sock", "", "http://localhost"},
		{"ws+unix:///run/app.sock:", false, "/run/app.sock", "", "http://localhost"},
		{"wss+unix:///run/app.sock:/chat?x=1", true, "/run/app.sock", "", "https://localhost/chat?x=1"},
		{"http+unix:///run/app.sock:/a:b", false, "/run/app.sock", "", "http://localhost/a:b"},
		{"ws+unix:///run/a%3Ab%20c:/d%2Fe%20f", false, "/run/a:b c", "", "http://localhost/d%2Fe%20f"},
	} {
		got, err := connect.Parse(test.url)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		if got.Secure != test.secure || got.Socket != test.socket || got.Host != test.host || got.HTTP.String() != test.http {
			t.Errorf("%s: secure %v, socket %q, host %q, resource %s", test.url, got.Secure, got.Socket, got.Host, got.HTTP)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const unix = " names no Unix socket: write ws+unix:///path/of/socket:/path/of/resource"
	for _, test := range []struct{ url, want string }{
		{"", `URL "" has the scheme "": use ws, wss, ws+unix or wss+unix`},
		{"//example.com/", `URL "//example.com/" has the scheme "": use ws, wss, ws+unix or wss+unix`},
		{"tcp+unix:///run/app.sock", `URL "tcp+unix:///run/app.sock" has the scheme "tcp+unix": use ws, wss, ws+unix or wss+unix`},
		{"ws://u:secret@h/#f", `URL "ws://u:xxxxx@h/#f" has a fragment, which a WebSocket URL may not have`},
		{"ws://h/#", `URL "ws://h/" has a fragment, which a WebSocket URL may not have`},
		{"ws:chat", `URL "ws:chat" names no host`},
		{"wss://:443/", `URL "wss://:443/" names no host`},
		{"ws://::1/", `URL "ws://::1/" has a colon in its host: write an IPv6 address in brackets`},
		{"ws://h:80:81/", `URL "ws://h:80:81/" has a colon in its host: write an IPv6 address in brackets`},
		{"ws+unix:", `URL "ws+unix:"` + unix},
		{"ws+unix://:/chat", `URL "ws+unix://:/chat"` + unix},
		{"ws+unix://host/run/app.sock", `URL "ws+unix://host/run/app.sock"` + unix},
		{"ws+unix:///run/app.sock:chat", `URL "ws+unix:///run/app.sock:chat"` + unix},
		{"ws://u:secret@h h/", `URL malformed: invalid character " " in host name`},
		{"ws://h/?a b", `URL "ws://h/?a b" has a space in its query: write %20`},
		{"ws://h/\r\nX: y", `URL malformed: net/url: invalid control character in URL`},
	} {
		if got, err := connect.Parse(test.url); err == nil || err.Error() != test.want {
			t.Errorf("%q: %v, %v\nwant %s", test.url, got, err, test.want)
		}
	}
}

// Whatever the URL, Parse either refuses it or returns a target that can be dialled and asked for in one request line.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"ws://example.com", "wss://ada:pw@example.com:8443/a%2Fb?c=d", "http://[::1%25lo]:80/", "https://x/#f", "ws://:80", "ws://h:/",
		"ws+unix:///run/app.sock:/chat?x=1", "wss+unix:///a%3Ab:/c%20d", "ws+unix:", "ws:opaque", "ws://h?q", "ws://%31/", "ws://::", "\x00", "ws://h/%00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := connect.Parse(raw)
		if err != nil {
			if got != nil {
				t.Fatalf("a target beside the error %v", err)
			}
			return
		}
		if (got.Socket == "") == (got.Host == "") {
			t.Fatalf("socket %q and host %q: want one of them", got.Socket, got.Host)
		}
		if got.Socket == "" {
			if host, port, err := net.SplitHostPort(got.Host); err != nil || host == "" || port == "" {
				t.Fatalf("host %q: %v", got.Host, err)
			}
		}
		if want := map[bool]string{false: "http", true: "https"}[got.Secure]; got.HTTP.Scheme != want || got.HTTP.Host == "" || got.HTTP.Fragment != "" {
			t.Fatalf("resource %s", got.HTTP)
		}
		if uri := got.HTTP.RequestURI(); uri[0] != '/' && uri[0] != '*' || strings.ContainsAny(uri, " \r\n\x00") {
			t.Fatalf("request line with %q", uri)
		}
		if again, err := connect.Parse(got.HTTP.String()); err != nil || again.Secure != got.Secure || got.Socket == "" && again.Host != got.Host {
			t.Fatalf("the resource %s is read as %v, %v", got.HTTP, again, err)
		}
	})
}

func TestInterruptEndsWhatTheConnectionIsDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stop := connect.Interrupt(ctx, near)
		start := time.Now()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read returned %v after %v", err, time.Since(start))
		}
		stop()
	})
}

func TestInterruptStopsInterrupting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		connect.Interrupt(ctx, near)()
		time.AfterFunc(time.Minute, func() { io.WriteString(far, "x") })
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Errorf("read was interrupted after stop: %v", err)
		}
	})
}

// A Unix socket is reached without a proxy, whatever the environment says.
func TestConnectAsksNoProxyForASocket(t *testing.T) {
	target, err := connect.Parse("ws+unix:///run/app.sock:/chat")
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	d := connect.Dialer{
		Proxy: func(*url.URL) (*url.URL, error) { return nil, errors.New("a proxy was chosen") },
		Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
			asked = network + " " + addr
			return nil, errors.New("enough")
		},
	}
	if _, err := d.Connect(t.Context(), target); err == nil || err.Error() != "enough" || asked != "unix /run/app.sock" {
		t.Errorf("dialled %q: %v", asked, err)
	}
}
