package loop_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// tapped is what a tap has shown.
type tapped struct {
	mu     sync.Mutex
	frames []websocket.Frame
}

func (p *tapped) see(f websocket.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.Payload = bytes.Clone(f.Payload)
	p.frames = append(p.frames, f)
}

// of are the frames of one direction, each as a line.
func (p *tapped) of(sent bool) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.Sent == sent {
			lines = append(lines, fmt.Sprintf("%v fin=%t rsv1=%t masked=%t wire=%d size=%d %.20q", f.Opcode, f.Fin, f.RSV1, f.Masked, f.Wire, f.Size, f.Payload))
		}
	}
	return lines
}

// Whatever the client's tap shows as sent, the server's shows as received, and the other way round, whichever way the server has sent it.
func TestTapsOnBothSidesShowTheSame(t *testing.T) {
	eachMode(t, func(t *testing.T, d driver, mode websocket.CompressionMode) {
		var atServer, atClient tapped
		shared := websocket.Prepare(websocket.Text, []byte(lorem(50)))
		s := d.start(t, loop.Handler{
			Open: func(c *loop.Conn) { c.Tap(atServer.see) },
			Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
				if string(payload) == "shared" {
					c.WritePrepared(shared)
					c.Write(websocket.Binary, []byte{1}) // which leaves together
					c.Write(websocket.Text, []byte("two"))
					return
				}
				c.Write(typ, payload)
			},
		}, compressing(mode))
		client := s.dial(websocket.DialOptions{Compression: compressing(mode).Accept.Compression})
		client.Tap(atClient.see)
		for _, m := range []string{"hello", "", lorem(100), lorem(200_000)} {
			if err := client.Write(soon(t), websocket.Text, []byte(m)); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, client, m)
		}
		client.Write(soon(t), websocket.Text, []byte("shared"))
		for _, m := range []string{lorem(50), "\x01", "two"} {
			wantMessage(t, client, m)
		}
		pinged := make(chan error)
		go func() {
			_, err := client.Ping(soon(t))
			pinged <- err
		}()
		go client.CloseRead(soon(t))
		if err := <-pinged; err != nil {
			t.Fatal(err)
		}
		client.Close(4001, "bye")
		until(t, "both have seen all", func() bool {
			return len(atServer.of(false)) == 7 && len(atServer.of(true)) == len(atClient.of(false)) && len(atServer.of(true)) == 9
		})
		if sent, got := atClient.of(true), atServer.of(false); !slices.Equal(sent, got) {
			t.Errorf("the client has sent\n%s\nand the server got\n%s", strings.Join(sent, "\n"), strings.Join(got, "\n"))
		}
		if sent, got := atServer.of(true), atClient.of(false); !slices.Equal(sent, got) {
			t.Errorf("the server has sent\n%s\nand the client got\n%s", strings.Join(sent, "\n"), strings.Join(got, "\n"))
		}
		if packed := strings.Contains(atServer.of(true)[2], "rsv1=true"); packed != (mode != websocket.CompressionOff) {
			t.Errorf("100 bytes are shown as %s", atServer.of(true)[2])
		}
	})
}

// Frames that had to wait for a slow peer, and left in pieces, are shown once.
func TestATapShowsOnceWhatLeavesInPieces(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var seen tapped
		opened := make(chan *loop.Conn, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { c.Tap(seen.see); opened <- c }}, loop.Options{Outbox: loop.Outbox{Bytes: 64 << 20}})
		p := s.peer()
		c := receive(t, opened, "the connection")
		for i := range 50 {
			c.Write(websocket.Binary, bytes.Repeat([]byte{byte(i)}, 100_000))
		}
		time.Sleep(10 * time.Millisecond) // so that the line fills up, if it likes to
		for i := range 50 {
			p.want(wire.Binary, string(bytes.Repeat([]byte{byte(i)}, 100_000)))
		}
		frames := seen.of(true)
		if len(frames) != 50 {
			t.Fatalf("%d frames", len(frames))
		}
		for i, f := range frames {
			if want := fmt.Sprintf("binary fin=true rsv1=false masked=false wire=100010 size=100000 %q", bytes.Repeat([]byte{byte(i)}, 20)); f != want {
				t.Errorf("frame %d is %s", i, f)
			}
		}
	})
}

// Fragments, and what stands between them, are shown as they come, and a violation last.
func TestATapShowsFragments(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var seen tapped
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { c.Tap(seen.see) }}, loop.Options{})
		p := s.peer(frame(wire.Header{Opcode: wire.Text}, "one"))
		p.send(frame(wire.Header{Fin: true, Opcode: wire.Ping}, "?"))
		p.want(wire.Pong, "?")
		p.send(frame(wire.Header{Fin: true, Opcode: wire.Continuation}, "two"), frame(wire.Header{Fin: true, Opcode: wire.Continuation}, "three"))
		p.wantClose(websocket.StatusProtocolError, "continuation")
		want := []string{
			`text fin=false rsv1=false masked=true wire=9 size=3 "one"`, `ping fin=true rsv1=false masked=true wire=7 size=1 "?"`,
			`continuation fin=true rsv1=false masked=true wire=9 size=3 "two"`, `continuation fin=true rsv1=false masked=true wire=6 size=0 ""`,
		}
		if got := seen.of(false); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := seen.of(true); len(got) != 2 || !strings.HasPrefix(got[0], "pong") || !strings.HasPrefix(got[1], "close") {
			t.Errorf("sent was %v", got)
		}
	})
}

// What is written to a stream is shown whole.
func TestATapShowsWhatGoesToAStream(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		_, front, conns, _ := streaming(t, d, loop.Options{}, loop.Handler{})
		p := listenTo(t, front)
		c := receive(t, conns, "Open")
		p.wantBytes("data: first\n\n")
		var seen tapped
		c.Tap(seen.see)
		c.Send([]byte("one"))
		c.SendShared([]byte(lorem(50_000)), "")
		p.wantBytes("one" + lorem(50_000))
		size := 0
		for _, line := range seen.of(true) {
			if !strings.HasPrefix(line, "text fin=true rsv1=false masked=false") {
				t.Error(line)
			}
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for _, f := range seen.frames {
			size += len(f.Payload)
		}
		if size != 50_003 {
			t.Errorf("%d bytes are shown", size)
		}
	})
}

// Taps come and go while messages do, and leave nothing behind.
func TestTapsComeAndGoWhileMessagesDo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		opened := make(chan *loop.Conn, 1)
		s := d.start(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }, Message: echo}, loop.Options{})
		client := s.dial(websocket.DialOptions{})
		c := receive(t, opened, "the connection")
		over := make(chan struct{})
		var tapping sync.WaitGroup
		for range 3 {
			tapping.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					var seen tapped
					stop := c.Tap(seen.see)
					time.Sleep(time.Millisecond)
					stop()
				}
			})
		}
		for range 500 {
			client.Write(soon(t), websocket.Text, []byte("hello"))
			wantMessage(t, client, "hello")
		}
		close(over)
		tapping.Wait()
		var seen tapped
		c.Tap(seen.see)()
		client.Write(soon(t), websocket.Text, []byte("unseen"))
		wantMessage(t, client, "unseen")
		if len(seen.frames) > 0 {
			t.Errorf("a tap that was stopped shows %v", seen.frames)
		}
	})
}
