// How connections begin: the handshake, what comes behind it, and what a connection tells of itself.

package loop_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestPingsAreAnsweredInOrder(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
		p := s.peer()
		p.send(frame(wire.Header{Fin: true, Opcode: wire.Ping}, "1"), text("2"), frame(wire.Header{Fin: true, Opcode: wire.Ping}, "3"))
		p.want(wire.Pong, "1")
		p.want(wire.Text, "2")
		p.want(wire.Pong, "3")
	})
}

func TestWhatComesBehindTheHandshakeIsDelivered(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
		half := text("in two parts")
		p := s.peer(text("1"), text(lorem(3000)), half[:5])
		p.want(wire.Text, "1")
		p.want(wire.Text, lorem(3000))
		p.send(half[5:])
		p.want(wire.Text, "in two parts")
	})
}

func TestFragmentsAndCompressedMessagesComeWhole(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: echo}, loop.Options{Accept: websocket.AcceptOptions{
			Compression: websocket.Compression{Mode: websocket.CompressionNoTakeover, Threshold: 1 << 20},
		}})
		p := s.connect()
		p.send([]byte(upgrade + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"))
		p.accepted()
		all := append(frame(wire.Header{Opcode: wire.Text}, "a"), frame(wire.Header{Fin: true, Opcode: wire.Ping}, "between")...)
		all = append(all, frame(wire.Header{Opcode: wire.Continuation}, "b")...)
		all = append(all, frame(wire.Header{Fin: true, Opcode: wire.Continuation}, "c")...)
		all = append(all, packed(lorem(5000))...)
		for i := range all {
			p.send(all[i : i+1])
		}
		p.want(wire.Pong, "between")
		p.want(wire.Text, "abc")
		p.want(wire.Text, lorem(5000))
	})
}

func TestRefusalsSayWhy(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{}, loop.Options{})
		for request, status := range map[string]int{
			"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n":                               http.StatusUpgradeRequired,
			strings.Replace(upgrade, "13", "12", 1) + "\r\n":                          http.StatusUpgradeRequired,
			upgrade + "Origin: https://elsewhere.example\r\n\r\n":                     http.StatusForbidden,
			strings.Replace(upgrade, "dGhlIHNhbXBsZSBub25jZQ==", "short", 1) + "\r\n": http.StatusBadRequest,
			strings.Replace(upgrade, "GET", "POST", 1) + "Content-Length: 0\r\n\r\n":  http.StatusMethodNotAllowed,
			upgrade + "X: " + strings.Repeat("x", 16<<10) + "\r\n\r\n":                http.StatusRequestHeaderFieldsTooLarge,
		} {
			p := s.connect()
			p.send([]byte(request))
			resp, err := http.ReadResponse(p.r, nil)
			if err != nil {
				t.Errorf("%.40q: %v", request, err)
			} else if why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)); resp.StatusCode != status || len(why) == 0 {
				t.Errorf("%.200q: answered with %s %q, want %d", request, resp.Status, why, status)
			}
			p.tcp.Close()
		}
		if stats := s.Stats(); stats.Opened != 0 {
			t.Errorf("%d connections were opened", stats.Opened)
		}
	})
}

func TestWrongOptionsAreRefused(t *testing.T) {
	if _, err := loop.New(loop.Handler{}, &loop.Options{Accept: websocket.AcceptOptions{Origins: []string{"https://a.example/path"}}}); err == nil {
		t.Error("an origin with a path was taken")
	}
}

func TestWhatAConnectionTellsOfItself(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened, closed := make(chan *loop.Conn, 1), make(chan *loop.Conn, 1)
		opts := loop.Options{Accept: websocket.AcceptOptions{Subprotocols: []string{"one", "two"}}}
		s := d.start(t, loop.Handler{
			Open:    func(c *loop.Conn) { c.Data = "mine"; opened <- c },
			Message: echo,
			Close:   func(c *loop.Conn, _ error) { closed <- c },
		}, opts)
		client := s.dial(websocket.DialOptions{Subprotocols: []string{"two", "three"}})
		c := receive(t, opened, "Open")
		if c.Subprotocol() != "two" || client.Subprotocol() != "two" {
			t.Errorf("subprotocol %q, and %q at the client", c.Subprotocol(), client.Subprotocol())
		}
		if c.RemoteAddr().String() != client.LocalAddr().String() || c.LocalAddr().String() != s.addr {
			t.Errorf("addresses %v and %v, want %v and %v", c.RemoteAddr(), c.LocalAddr(), client.LocalAddr(), s.addr)
		}
		if c.Err() != nil || c.Waiting() != 0 {
			t.Errorf("Err %v and %d bytes waiting", c.Err(), c.Waiting())
		}
		client.Write(soon(t), websocket.Text, []byte("hello"))
		wantMessage(t, client, "hello")
		until(t, "everything is counted", func() bool {
			stats := s.Stats()
			return stats.Connections == 1 && stats.Opened == 1 && stats.MessagesIn == 1 && stats.BytesIn == 5 &&
				stats.BytesOut >= 7 && stats.Writes == 1 && stats.Dropped == 0
		})
		client.Close(1000, "")
		if c := receive(t, closed, "Close"); c.Data != "mine" {
			t.Errorf("data %v", c.Data)
		}
		until(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
		if !d.goroutines && c.RemoteAddr() != nil {
			t.Errorf("a connection that is gone has the address %v", c.RemoteAddr())
		}
		other := s.dial(websocket.DialOptions{})
		if c := receive(t, opened, "Open"); c.Subprotocol() != "" {
			t.Errorf("subprotocol %q where none was agreed on", c.Subprotocol())
		}
		other.CloseNow()
	})
}

func TestARequestCanTellItsConnectionSomething(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened := make(chan any, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c.Data }}, loop.Options{})
		front := d.front(t, func(w http.ResponseWriter, r *http.Request) {
			s.Accept(w, r, func(c *loop.Conn) {
				c.Write(websocket.Text, []byte("welcome"))
				c.Data = r.Host
			})
		})
		for range 20 {
			p := front.peer()
			p.want(wire.Text, "welcome")
			if data := receive(t, opened, "Open"); data != "127.0.0.1" {
				t.Errorf("Open found %v", data)
			}
			p.hangUp()
		}
		until(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
	})
}

func TestReadyMayCutTheConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		closed := make(chan error, 1)
		s := d.start(t, loop.Handler{Close: func(_ *loop.Conn, err error) { closed <- err }}, loop.Options{})
		front := d.front(t, func(w http.ResponseWriter, r *http.Request) {
			s.Accept(w, r, func(c *loop.Conn) { c.CloseNow() })
		})
		front.peer()
		wantError(t, receive(t, closed, "Close"), websocket.ErrClosed, "")
	})
}

// front is an HTTP server of the program's own, which leads to a loop.Server.
func (d driver) front(t testing.TB, h http.HandlerFunc) *site {
	t.Helper()
	s := &site{t: t}
	l := listen(t)
	s.addr = l.Addr().String()
	hs := &http.Server{Handler: h}
	l = s.over(d, l)
	go hs.Serve(l)
	t.Cleanup(func() { hs.Shutdown(context.Background()) })
	return s
}
