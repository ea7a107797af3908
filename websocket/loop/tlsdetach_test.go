package loop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestTLSAndDetach(t *testing.T) {
	for _, g := range []bool{false, true} {
		hs := httptest.NewUnstartedServer(nil)
		hs.StartTLS()
		cert := hs.TLS.Certificates[0]
		pool := hs.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		hs.Close()
		s, err := loop.New(loop.Handler{
			Message: func(c *loop.Conn, typ websocket.MessageType, p []byte) {
				if string(p) == "detach" {
					c.Write(typ, []byte("before"))
					err := c.Detach(func(b *websocket.Conn) {
						for m, err := range b.Messages(context.Background()) {
							if err != nil {
								t.Log("detached", err)
								return
							}
							b.Write(context.Background(), m.Type, append([]byte("d:"), m.Data...))
						}
					})
					if err != nil {
						t.Error(err)
					}
					return
				}
				c.Write(typ, p)
			},
			Close: func(c *loop.Conn, err error) { t.Log("close", err) },
		}, &loop.Options{Goroutines: g})
		if err != nil {
			t.Fatal(err)
		}
		l, _ := net.Listen("tcp", "127.0.0.1:0")
		go s.ServeTLS(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "wss://"+l.Addr().String(), &websocket.DialOptions{TLSConfig: &tls.Config{RootCAs: pool}})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 1000, 65536, 300000, 1 << 20} {
			want := bytes.Repeat([]byte("abcdefg"), n/7+1)[:n]
			c.Write(ctx, websocket.Binary, want)
			_, got, err := c.Read(ctx)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatal(n, len(got), err)
			}
		}
		c.Cork()
		c.Write(ctx, websocket.Text, []byte("detach"))
		c.Write(ctx, websocket.Text, []byte("x"))
		c.Write(ctx, websocket.Text, []byte("y"))
		c.Uncork(ctx)
		for _, want := range []string{"before", "d:x", "d:y"} {
			if _, got, err := c.Read(ctx); err != nil || string(got) != want {
				t.Fatal(want, string(got), err)
			}
		}
		if err := c.Close(1000, ""); err != nil {
			t.Error(err)
		}
		hts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Stream(w, r, http.Header{"Content-Type": {"text/event-stream"}}, ":\n\n", func(c *loop.Conn) { c.Send([]byte("data: hi\n\n")) })
		}))
		resp, err := http.Get(hts.URL)
		if err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(resp.Body).ReadString('\n')
		if !strings.HasPrefix(line, "data: hi") {
			t.Error(line)
		}
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		t.Logf("%+v", s.Stats())
	}
}
