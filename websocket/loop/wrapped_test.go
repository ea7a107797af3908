// Listeners that wrap their connections, and TLS beside HTTP/2.

package loop_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// named is a listener whose connections say that they come from elsewhere, and tell when they are closed.
type named struct {
	net.Listener
	closed chan struct{}
}

func (l named) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &namedConn{Conn: nc, closed: l.closed}, nil
}

type namedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

var elsewhere = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711}

func (c *namedConn) Socket() net.Conn     { return c.Conn }
func (c *namedConn) RemoteAddr() net.Addr { return elsewhere }
func (c *namedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestAWrapperIsClosedWhenTheLoopTakesOver(t *testing.T) {
	for _, d := range []driver{{name: "epoll"}, {name: "epoll over TLS", tls: true}} {
		t.Run(d.name, func(t *testing.T) {
			remote := make(chan net.Addr, 1)
			server, err := loop.New(loop.Handler{Open: func(c *loop.Conn) { remote <- c.RemoteAddr() }, Message: echo}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Shutdown(soon(t))
			closed := make(chan struct{})
			s := &site{Server: server, t: t}
			l := listen(t)
			s.addr = l.Addr().String()
			l = named{l, closed}
			if d.tls {
				config, client := certificate()
				s.client = client
				l = loop.NewTLSListener(l, config)
			}
			go server.Serve(l)
			c := s.dial(websocket.DialOptions{})
			if got := receive(t, remote, "the address"); got != elsewhere {
				t.Errorf("the handler sees %v, want what the wrapper says", got)
			}
			if runtime.GOOS == "linux" {
				receive(t, closed, "the wrapper's end")
			}
			if err := c.Write(soon(t), websocket.Text, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, c, "hello")
		})
	}
}

func TestHTTP2LivesBesideTheLoop(t *testing.T) {
	server, err := loop.New(loop.Handler{Message: echo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown(soon(t))
	mux := http.NewServeMux()
	mux.Handle("/ws/", server)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	config, client := certificate()
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	l := listen(t)
	h := &http.Server{Handler: mux}
	go h.Serve(loop.NewTLSListener(l, config))
	defer h.Close()

	page := &http.Client{Transport: &http.Transport{TLSClientConfig: client.Clone(), ForceAttemptHTTP2: true}}
	defer page.CloseIdleConnections()
	answer, err := page.Get("https://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "HTTP/2.0" {
		t.Errorf("the page came over %s", body)
	}
	ws := client.Clone()
	ws.NextProtos = nil
	s := &site{t: t, addr: l.Addr().String() + "/ws", client: ws}
	c := s.dial(websocket.DialOptions{})
	if err := c.Write(soon(t), websocket.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, c, "hello")
}
