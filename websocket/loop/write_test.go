// Writing: order, whole messages, and few system calls.

package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestMessagesOfEverySizeComeBack(t *testing.T) {
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		opts := compressing(mode)
		opts.Outbox.Bytes = 4 << 20
		s := d.start(t, loop.Handler{Message: echo}, opts)
		c := s.dial(websocket.DialOptions{Compression: opts.Accept.Compression})
		for _, size := range []int{0, 1, 2, 125, 126, 127, 1000, 16 << 10, 16<<10 - 4, 65535, 65536, 1 << 20} {
			if size > 65536 && d.tls && mode != websocket.CompressionOff {
				continue // TLS lies beneath it, and large messages take long to compress
			}
			for _, want := range []string{lorem(size), strings.Repeat("x", size)} {
				if err := c.Write(soon(t), websocket.Text, []byte(want)); err != nil {
					t.Fatal(err)
				}
				wantMessage(t, c, want)
			}
		}
	})
}

// Several goroutines write at once, and the handler too.
func TestWritersKeepTheirOrderAndTheirMessagesWhole(t *testing.T) {
	const writers, messages = 8, 50
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		opened := make(chan *loop.Conn, 1)
		opts := compressing(mode)
		opts.Outbox.Bytes = 64 << 20
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }, Message: echo}, opts)
		client := s.dial(websocket.DialOptions{Compression: opts.Accept.Compression})
		c := receive(t, opened, "Open")
		var writing sync.WaitGroup
		defer writing.Wait()
		content := func(writer, n int) string {
			return fmt.Sprintf("%d %d %s", writer, n, lorem(n*n%3000+(n%20/19)*40_000))
		}
		for writer := range writers {
			writing.Go(func() {
				for n := range messages {
					var err error
					switch m := content(writer, n); {
					case writer == 0:
						err = client.Write(soon(t), websocket.Text, []byte(m))
					case writer%2 == 0:
						err = c.WritePrepared(websocket.Prepare(websocket.Text, []byte(m)))
					default:
						err = c.Write(websocket.Text, []byte(m))
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		var next [writers]int
		for range writers * messages {
			_, got, err := client.Read(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			var writer, n int
			fmt.Sscan(string(got), &writer, &n)
			if n != next[writer] || string(got) != content(writer, n) {
				t.Fatalf("%d bytes %.30q, want number %d of writer %d", len(got), got, next[writer], writer)
			}
			next[writer]++
		}
	})
}

func TestOnePreparedMessageServesAll(t *testing.T) {
	const connections, rounds = 16, 15
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		opened := make(chan *loop.Conn, connections)
		opts := compressing(mode)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }}, opts)
		var clients []*websocket.Conn
		var conns []*loop.Conn
		for i := range connections {
			dial := websocket.DialOptions{}
			if i%2 == 0 { // some do not compress
				dial.Compression = opts.Accept.Compression
			}
			clients = append(clients, s.dial(dial))
			conns = append(conns, receive(t, opened, "Open"))
		}
		// Under takeover what each connection was sent of its own lies between: every window is another.
		for round := range rounds {
			m := websocket.Prepare(websocket.Text, fmt.Appendf(nil, "%d %s", round, lorem(round*600)))
			for i, c := range conns {
				if err := errors.Join(c.WritePrepared(m), c.Write(websocket.Text, fmt.Appendf(nil, "%d %d %s", round, i, lorem(200)))); err != nil {
					t.Fatal(err)
				}
			}
		}
		var reading sync.WaitGroup
		for i, client := range clients {
			reading.Go(func() {
				for round := range rounds {
					for _, want := range []string{
						fmt.Sprintf("%d %s", round, lorem(round*600)), fmt.Sprintf("%d %d %s", round, i, lorem(200)),
					} {
						if _, got, err := client.Read(soon(t)); err != nil || string(got) != want {
							t.Errorf("connection %d: got %.20q, %v, want %.20q", i, got, err, want)
							return
						}
					}
				}
			})
		}
		reading.Wait()
	})
}

func TestTheAnswersToABurstLeaveTogether(t *testing.T) {
	const messages = 1000
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
		p := s.peer()
		var burst []byte
		for i := range messages {
			burst = append(burst, text(fmt.Sprint(i))...)
		}
		p.send(burst)
		for i := range messages {
			p.want(wire.Text, fmt.Sprint(i))
		}
		if stats := s.Stats(); stats.Writes > messages/10 || stats.MessagesIn != messages {
			t.Errorf("%d messages were answered in %d writes", stats.MessagesIn, stats.Writes)
		}
	})
}

func TestPublicationsThatWaitLeaveTogether(t *testing.T) {
	const publications = 1000
	eachDriver(t, func(t *testing.T, d driver) {
		s := d.start(t, loop.Handler{Message: func(c *loop.Conn, typ websocket.MessageType, _ []byte) {
			m := websocket.Prepare(typ, []byte("published"))
			for range publications {
				c.WritePrepared(m)
			}
		}}, loop.Options{})
		p := s.peer()
		p.send(text("go"))
		for range publications {
			p.want(wire.Text, "published")
		}
		if stats := s.Stats(); stats.Writes > publications/10 {
			t.Errorf("%d publications left in %d writes", publications, stats.Writes)
		}
	})
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened := make(chan *loop.Conn, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }}, loop.Options{})
		p := s.peer()
		c := receive(t, opened, "Open")
		wantError(t, c.Write(3, nil), nil, "message type 3")
		wantError(t, c.Send([]byte("x")), nil, "use Write")
		wantError(t, c.Close(1005, "why"), nil, "needs a code")
		wantError(t, c.Close(999, ""), nil, "999")
		c.Close(1000, "")
		wantError(t, c.Write(websocket.Text, nil), net.ErrClosed, "after a Close frame")
		wantError(t, c.WritePrepared(websocket.Prepare(websocket.Text, nil)), net.ErrClosed, "")
		if err := c.Close(4000, "twice"); err != nil {
			t.Errorf("Close again: %v", err)
		}
		p.wantClose(1000, "")
	})
}

func TestAPayloadIsTheCallersAgainAfterWrite(t *testing.T) {
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		opts := compressing(mode)
		s := d.start(t, loop.Handler{Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			for i := range byte(50) {
				b := bytes.Repeat([]byte{'a' + i%26}, 700)
				c.Write(typ, b)
				clear(b)
			}
			clear(payload)
		}}, opts)
		c := s.dial(websocket.DialOptions{Compression: opts.Accept.Compression})
		c.Write(soon(t), websocket.Text, []byte("go"))
		for i := range 50 {
			wantMessage(t, c, strings.Repeat(string(rune('a'+i%26)), 700))
		}
	})
}
