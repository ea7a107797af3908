// Streams: responses without an end.

package loop_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// streaming is a server of streams, and a place that answers requests by them.
func streaming(t *testing.T, d driver, opts loop.Options, h loop.Handler) (s, front *site, conns chan *loop.Conn, closed chan error) {
	conns, closed = make(chan *loop.Conn, 10), make(chan error, 10)
	h.Open = func(c *loop.Conn) { conns <- c }
	h.Close = func(_ *loop.Conn, err error) { closed <- err }
	s = d.start(t, h, opts)
	front = d.front(t, func(w http.ResponseWriter, r *http.Request) {
		header := http.Header{"Content-Type": {"text/event-stream"}, "X-Lines": {"a\r\nb"}}
		if err := s.Stream(w, r, header, ":\n\n", func(c *loop.Conn) {
			c.Send([]byte("data: first\n\n"))
			c.Data = r.URL.Path
		}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return s, front, conns, closed
}

const get = "GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

// listenTo asks for a stream and reads the head of the answer.
func listenTo(t *testing.T, front *site) *peer {
	t.Helper()
	p := front.connect()
	p.send([]byte(get))
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || !resp.Close || strings.ContainsAny(resp.Header.Get("X-Lines"), "\r\n") {
		t.Errorf("answered with %s and %v", resp.Status, resp.Header)
	}
	return p
}

func TestAStreamCarriesBytesAsTheyAre(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s, front, conns, closed := streaming(t, d, loop.Options{}, loop.Handler{
			Message: func(*loop.Conn, websocket.MessageType, []byte) { t.Error("a stream has a message") },
		})
		p := listenTo(t, front)
		c := receive(t, conns, "Open")
		if c.Data != "/stream" {
			t.Errorf("data %v", c.Data)
		}
		p.send(text("a stream does not listen"))
		shared := []byte("data: shared\n\n")
		want := "data: first\n\n"
		for i := range 100 {
			line := fmt.Sprintf("data: %d %s\n\n", i, lorem(i*i))
			c.Send([]byte(line))
			c.SendShared(shared, "")
			want += line + string(shared)
		}
		p.wantBytes(want)
		wantError(t, c.Write(websocket.Text, nil), nil, "use Send")
		wantError(t, c.WritePrepared(websocket.Prepare(websocket.Text, nil)), nil, "use Send")
		wantError(t, c.Detach(func(*websocket.Conn) {}), nil, "no WebSocket")
		c.Send([]byte("data: last\n\n"))
		c.Close(1000, "")
		p.wantBytes("data: last\n\n")
		p.wantEnd()
		wantError(t, receive(t, closed, "Close"), websocket.ErrClosed, "")
		wantError(t, c.Send([]byte("x")), websocket.ErrClosing, "")
		p.tcp.Close()
		until(t, "the stream is gone", func() bool { return s.Stats().Connections == 0 })
	})
}

func TestAListenerThatGoesAwayIsNoticed(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		_, front, conns, closed := streaming(t, d, loop.Options{}, loop.Handler{})
		for _, leaves := range []func(p *peer){(*peer).half, (*peer).hangUp, func(p *peer) { p.tcp.Close() }} {
			p := listenTo(t, front)
			receive(t, conns, "Open")
			leaves(p)
			receive(t, closed, "Close")
		}
	})
}

func TestAQuietStreamHasAHeartbeat(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		opts := loop.Options{Accept: websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: time.Second}}}
		_, front, conns, _ := streaming(t, d, opts, loop.Handler{})
		p := listenTo(t, front)
		c := receive(t, conns, "Open")
		p.wantBytes("data: first\n\n:\n\n:\n\n") // two beats
		want := ""
		for range 8 { // a stream that is not quiet has none
			ticks := c.Ticks()
			until(t, "the clock ticks", func() bool { return c.Ticks() > ticks+1 })
			c.Send([]byte("data: x\n\n"))
			want += "data: x\n\n"
		}
		p.wantBytes(want)
		p.wantBytes(":\n\n")
	})
}

func TestAStreamHasTheSamePoliciesAsAWebSocket(t *testing.T) {
	event := func(n, size int) []byte { return fmt.Appendf(nil, "%09d%s\n", n, strings.Repeat(".", size)) }
	for name, policy := range map[string]loop.Policy{"disconnect": loop.Disconnect, "drop oldest": loop.DropOldest, "conflate": loop.Conflate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, d driver) {
				var n tally
				s, front, conns, closed := streaming(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 100_000, Policy: policy}}, loop.Handler{Dropped: n.add})
				p := listenTo(t, front)
				c := receive(t, conns, "Open")
				p.wantBytes("data: first\n\n")
				written := 0
				for ; written < 4000; written++ {
					err := error(nil)
					switch {
					case policy == loop.Conflate:
						err = c.SendShared(event(written, 1000), fmt.Sprint(written%10))
					case written%2 == 0:
						err = c.Send(event(written, 1000))
					default:
						err = c.SendShared(event(written, 1000), "")
					}
					if err != nil {
						break
					}
					if waits := c.Waiting(); waits > 120_000 {
						t.Fatalf("%d bytes wait", waits)
					}
				}
				if policy == loop.Disconnect {
					wantError(t, receive(t, closed, "Close"), loop.ErrSlowConsumer, "the limit is 100000")
				} else {
					c.Close(1000, "")
				}
				read, newest := 0, -1
				for lines := bufio.NewScanner(p.r); lines.Scan(); read++ {
					var at int
					fmt.Sscanf(lines.Text(), "%09d", &at)
					if at <= newest {
						t.Fatalf("%d came after %d", at, newest)
					}
					newest = at
				}
				if dropped := int(n.messages.Load()); read+dropped != written || dropped == 0 {
					t.Errorf("%d read + %d dropped != %d written", read, dropped, written)
				}
				if policy != loop.Disconnect && newest != written-1 {
					t.Errorf("the newest was %d of %d", newest, written)
				}
				p.tcp.Close()
				until(t, "the stream is gone", func() bool { return s.Stats().Connections == 0 })
			})
		})
	}
}

func TestWhatCannotStreamIsToldWhy(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{}, loop.Options{})
		refused := func(r *http.Request, status int, words string) {
			t.Helper()
			w := httptest.NewRecorder()
			wantError(t, s.Stream(w, r, nil, "", nil), nil, words)
			if w.Code != status || w.Body.Len() == 0 {
				t.Errorf("answered with %d %q, want %d", w.Code, w.Body, status)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		refused(r, http.StatusInternalServerError, "cannot be hijacked")
		r.ProtoMajor, r.Proto = 2, "HTTP/2.0"
		refused(r, http.StatusHTTPVersionNotSupported, "not HTTP/2.0")
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		r.ProtoMajor = 1
		w := httptest.NewRecorder()
		wantError(t, s.Stream(w, r, nil, "", nil), http.ErrServerClosed, "")
		if w.Body.Len() != 0 {
			t.Errorf("answered with %q, which is the caller's to do", w.Body)
		}
	})
}

func TestAStreamKeepsTheHeadersOfMiddleware(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{}, loop.Options{})
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "7")
			w.Header().Set("Content-Type", "text/plain")
			if err := s.Stream(w, r, http.Header{"Content-Type": {"text/event-stream"}}, "", func(c *loop.Conn) { c.CloseNow() }); err != nil {
				t.Error(err)
			}
		}))
		defer front.Close()
		resp, err := http.Get(front.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header; got.Get("X-Request-Id") != "7" || got.Get("Content-Type") != "text/event-stream" || len(got["Content-Type"]) != 1 {
			t.Errorf("headers %v", got)
		}
	})
}
