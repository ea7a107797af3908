// Long polling: what a GET fetches, what a POST says, and one of each at a time.

package engineio_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

func TestMessagesGoBothWaysByPolling(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	a := c.post("4hello")
	n.wantBody("POST", a, "ok")
	if a.header.Get("Content-Type") != "text/html" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.header)
	}
	n.wantBody("GET", c.get(), "4hello")
	c.post("4\x1ebAQIDBA==\x1e4zwei ✓\x1eb")
	n.wantBody("all that waits comes at once", c.get(), "4\x1ebAQIDBA==\x1e4zwei ✓\x1eb")
	waits := c.getting(t.Context())
	c.post("4late")
	n.wantBody("a waiting GET", soon(t, waits, "the GET"), "4late")
	for i := range 300 {
		c.post("4" + numbered(i))
	}
	got := strings.Split(c.get().body, "\x1e")
	for i := range 300 {
		if len(got) != 300 || got[i] != "4"+numbered(i) {
			t.Fatalf("%d packets, %q", len(got), got[min(i, len(got)-1)])
		}
	}
}

func TestASecondGetEndsTheSession(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	first := c.getting(t.Context())
	n.wantError("second", c.get(), 400, 3)
	n.wantBody("first", soon(t, first, "the first GET"), "1")
	n.wantEnd(c.id, engineio.TransportError)
	c.wantUnknown()
}

func TestASecondPostEndsTheSession(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	waits := c.getting(t.Context())
	slow, body := io.Pipe()
	defer body.Close()
	first := make(chan answer, 1)
	go func() {
		a, _ := c.try(context.Background(), "POST", c.query(), slow)
		first <- a
	}()
	body.Write([]byte("4one"))
	eventually(t, func() bool { return c.post("4two").status == 400 }, "the second POST to be refused")
	n.wantBody("GET", soon(t, waits, "the GET"), "1")
	if a := soon(t, first, "the first POST"); a.status != 400 {
		t.Errorf("first: %d %q", a.status, a.body)
	}
	n.wantEnd(c.id, engineio.TransportError)
	c.wantUnknown()
}

func TestAGetThatIsGivenUpEndsTheSession(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	ctx, cancel := context.WithCancel(t.Context())
	c.getting(ctx)
	cancel()
	n.wantEnd(c.id, engineio.TransportError)
	c.wantUnknown()
}

func TestBadPostsEndTheSession(t *testing.T) {
	long := strings.Repeat("x", 600)
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		reason            engineio.Reason
	}{
		"unknown digit":      {"7x", "", 400, engineio.ParseError},
		"no digit":           {"abc", "", 400, engineio.ParseError},
		"nothing":            {"", "", 400, engineio.ParseError},
		"empty packet":       {"4a\x1e\x1e4b", "", 400, engineio.ParseError},
		"trailing separator": {"4a\x1e", "", 400, engineio.ParseError},
		"broken base64":      {"bAQ", "", 400, engineio.ParseError},
		"base64, with lines": {"bAQID\r\nBA==", "", 400, engineio.ParseError},
		"base64 of URLs":     {"b_-__", "", 400, engineio.ParseError},
		"no UTF-8":           {"4\xff\xfe", "", 400, engineio.ParseError},
		"ping":               {"2", "", 400, engineio.ParseError},
		"probe":              {"2probe", "", 400, engineio.ParseError},
		"open":               {"0{}", "", 400, engineio.ParseError},
		"upgrade":            {"5", "", 400, engineio.ParseError},
		"noop":               {"6", "", 400, engineio.ParseError},
		"revision 3":         {"4a", "application/octet-stream", 400, engineio.TransportError},
		"revision 3, fully":  {"4a", "Application/Octet-Stream; x=y", 400, engineio.TransportError},
		"too long":           {"4" + long, "", 413, engineio.TransportError},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, engineio.Handler{}, engineio.Options{MaxPayload: 500})
			other := n.dial()
			s := n.dial()
			waits := s.getting(t.Context())
			a := n.do("POST", s.query(), c.body, "Content-Type", c.contentType)
			n.wantStatus("POST", a, c.status)
			n.wantBody("the GET", soon(t, waits, "the GET"), "1")
			n.wantEnd(s.id, c.reason)
			s.wantUnknown()
			n.wantAlive(other.id)
			n.wantBody("another session", other.post("4x"), "ok")
		})
	}
}

// raw sends a request whose body is as the test wants it, and returns the answer's status line, whether or not the body is finished.
func (c *client) raw(head, body string) (*bytes.Buffer, net.Conn) {
	c.t.Helper()
	target, _ := url.Parse(c.web.URL)
	line, err := net.Dial("tcp", target.Host)
	if err != nil {
		c.t.Fatal(err)
	}
	line.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(line, "POST /engine.io/?%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", c.query(), head, body)
	return new(bytes.Buffer), line
}

func TestAnOversizedPostIsNotReadToItsEnd(t *testing.T) {
	for name, head := range map[string]string{"announced": "Content-Length: 100000000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			n := start(t, engineio.Handler{}, engineio.Options{MaxPayload: 1000})
			c := n.dial()
			got, line := c.raw(head, "800\r\n4"+strings.Repeat("x", 0x7ff)+"\r\n") // no end
			defer line.Close()
			io.Copy(got, line) // until the server closes
			if !strings.HasPrefix(got.String(), "HTTP/1.1 413 ") {
				t.Errorf("%.300q", got)
			}
			n.wantEnd(c.id, engineio.TransportError)
			if n.server.Stats().TooLarge != 1 {
				t.Error("not counted")
			}
		})
	}
}

func TestAPostThatBreaksOffEndsTheSession(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	_, line := c.raw("Content-Length: 100", "4half")
	line.(*net.TCPConn).CloseWrite()
	n.wantEnd(c.id, engineio.TransportError)
	line.Close()
	c.wantUnknown()
}

func TestAChunkedPostIsRead(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	a, err := c.try(t.Context(), "POST", c.query(), io.MultiReader(strings.NewReader("4chun"), strings.NewReader("ked")))
	if err != nil {
		t.Fatal(err)
	}
	n.wantBody("POST", a, "ok")
	n.wantBody("GET", c.get(), "4chunked")
}

func TestTheClientClosesByAPost(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	waits := c.getting(t.Context())
	n.wantBody("POST", c.post("1"), "ok")
	n.wantBody("GET", soon(t, waits, "the GET"), "6")
	n.wantEnd(c.id, engineio.TransportClose)
	c.wantUnknown()
}

func TestWhatComesBeforeTheClosingPacketCounts(t *testing.T) {
	heard := make(chan string, 4)
	n := start(t, engineio.Handler{Message: func(_ *engineio.Conn, _ bool, p []byte) { heard <- string(p) }}, engineio.Options{})
	c := n.dial()
	c.post("4a\x1e4b\x1e1\x1e4c")
	n.wantEnd(c.id, engineio.TransportClose)
	if len(heard) != 2 || <-heard != "a" || <-heard != "b" {
		t.Error("want a and b")
	}
}

func TestTheServersCloseReachesAWaitingGet(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	waits := c.getting(t.Context())
	n.conn(c.id).Close(engineio.ForcedClose)
	n.wantBody("GET", soon(t, waits, "the GET"), "1")
	n.wantEnd(c.id, engineio.ForcedClose)
	c.wantUnknown()
}

func TestWhatWaitsAtTheServersCloseIsKeptForTheNextGet(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	n.conn(c.id).Send(false, []byte("last"))
	n.conn(c.id).Send(true, []byte{1})
	n.conn(c.id).Close(engineio.ForcedClose)
	n.wantEnd(c.id, engineio.ForcedClose)
	if _, err := n.conn(c.id).Send(false, []byte("later")); err == nil {
		t.Error("sent behind the end")
	}
	n.wantError("POST", c.post("4x"), 400, 1)
	n.wantBody("GET", c.get(), "4last\x1ebAQ==\x1e1")
	c.wantUnknown()
}

func TestACloseFromWithinTheHandlerEndsTheHearing(t *testing.T) {
	heard := 0
	n := start(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, _ []byte) {
		heard++
		c.Close(engineio.ForcedClose)
	}}, engineio.Options{})
	c := n.dial()
	n.wantBody("POST", c.post("4a\x1e4b\x1e4c"), "ok")
	n.wantEnd(c.id, engineio.ForcedClose)
	if heard != 1 {
		t.Errorf("heard %d messages, want 1", heard)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{OutboxBytes: 10_000})
	c := n.dial()
	conn := n.conn(c.id)
	if _, err := conn.Send(false, make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	n.wantAlive(c.id) // one message may be larger
	if got := len(c.get().body); got != 50_001 {
		t.Errorf("%d bytes", got)
	}
	for i := 0; i < 1000 && err(conn.Send(false, nil)) == nil; i++ { // their number is bounded, too
		if conn.Waiting() > 10_000 {
			t.Fatalf("%d bytes wait", conn.Waiting())
		}
	}
	n.wantEnd(c.id, engineio.TransportError)
	c.wantUnknown()
	if n.server.Stats().Slow != 1 {
		t.Error("not counted")
	}
}

func err(_ uint64, err error) error { return err }

func TestLargePayloadsAreCompressedIfTheClientTakesThat(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	text := strings.Repeat("the same again ", 100)
	for _, k := range []struct {
		accepts, text string
		packed        bool
	}{
		{"gzip", text, true}, {"br;q=1, GZIP;q=0.5", text, true}, {"gzip;q=0", text, false}, {"gzip; q=0.0", text, false}, {"identity", text, false}, {"gzip", "short", false},
	} {
		c.post("4" + k.text)
		a := n.do("GET", c.query(), "", "Accept-Encoding", k.accepts)
		if packed := a.header.Get("Content-Encoding") == "gzip"; packed != k.packed {
			t.Errorf("%q, %d bytes: compressed %v", k.accepts, len(k.text), packed)
		} else if packed {
			r, err := gzip.NewReader(strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil || len(a.body) > len(b)/2 {
				t.Errorf("%d of %d bytes, %v", len(a.body), len(b), err)
			}
			a.body = string(b)
		}
		if a.body != "4"+k.text {
			t.Errorf("%.100q", a.body)
		}
	}
}

func TestTheHTTPServersTimeoutsDoNotCutAWaitingGet(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) {
			t.Parallel()
			n := startOn(t, engineio.Handler{Message: echo}, engineio.Options{}, func(web *httptest.Server) {
				web.Config.ReadTimeout, web.Config.WriteTimeout, web.Config.IdleTimeout = 2*time.Second, 2*time.Second, time.Second
				if version == 2 {
					web.EnableHTTP2 = true
					web.TLS = &tls.Config{}
					web.StartTLS()
				}
			})
			c := n.dial()
			waits := c.getting(t.Context())
			time.Sleep(5 * time.Second) // what must not happen would within that
			n.wantBody("POST", c.post("4x"), "ok")
			n.wantBody("GET", soon(t, waits, "the GET"), "4x")
			waits = c.getting(t.Context())
			c.post("4y")
			n.wantBody("the next GET", soon(t, waits, "the GET"), "4y")
		})
	}
}

func TestPollingWorksOverHTTP2(t *testing.T) {
	n := startOn(t, engineio.Handler{Message: echo}, engineio.Options{MaxPayload: 2000}, func(web *httptest.Server) {
		web.EnableHTTP2 = true
		web.StartTLS()
	})
	c := n.dial()
	waits := c.getting(t.Context())
	n.wantBody("POST", c.post("4x"), "ok")
	n.wantBody("GET", soon(t, waits, "the GET"), "4x")
	n.wantStatus("too much", c.post("4"+strings.Repeat("x", 5000)), 413)
	n.wantEnd(c.id, engineio.TransportError)
	c = n.dial()
	ctx, cancel := context.WithCancel(t.Context())
	c.getting(ctx)
	cancel()
	n.wantEnd(c.id, engineio.TransportError)
}

func TestAPanicEndsOnlyItsSession(t *testing.T) {
	n := start(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, p []byte) {
		if string(p) == "abort" {
			panic(http.ErrAbortHandler)
		}
		panic("oh")
	}}, engineio.Options{})
	other := n.dial()
	for _, word := range []string{"oh", "abort"} {
		c := n.dial()
		c.post("4" + word)
		n.wantEnd(c.id, engineio.TransportError)
		c.wantUnknown()
		s, id := n.session()
		s.write("4" + word)
		n.wantEnd(id, engineio.TransportError)
	}
	n.wantAlive(other.id)
}
