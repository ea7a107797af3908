// Limits: on sizes, and on time.

package websocket_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestWhatIsTooLargeIsRefusedWithItsSize(t *testing.T) {
	for name, test := range map[string]struct {
		limits websocket.Limits
		frames func(p *peer) [][]byte
		words  []string
	}{
		"a message by its header alone": {websocket.Limits{}, func(p *peer) [][]byte {
			return [][]byte{p.text(strings.Repeat("x", 1<<20+1))[:14]}
		}, []string{"1048577", "1048576"}},
		"an absurd length": {websocket.Limits{}, func(p *peer) [][]byte {
			return [][]byte{{0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}}
		}, []string{"9223372036854775807", "1048576"}},
		"fragments together": {websocket.Limits{Message: 100}, func(p *peer) [][]byte {
			return [][]byte{p.frame(wire.Header{Opcode: wire.Text}, lorem(60)), p.frame(wire.Header{Fin: true}, lorem(41))}
		}, []string{"101", "100"}},
		"more fragments than allowed": {websocket.Limits{Fragments: 3}, func(p *peer) [][]byte {
			f := p.frame(wire.Header{}, "")
			return [][]byte{p.frame(wire.Header{Opcode: wire.Text}, ""), f, f, f}
		}, []string{"more than 3 frames"}},
		"a message once inflated": {websocket.Limits{Message: 10_000}, func(p *peer) [][]byte {
			return [][]byte{p.packed(wire.Text, lorem(10_001))}
		}, []string{"10000", "inflated"}},
		"a bomb": {websocket.Limits{Message: 1 << 30, InflateRatio: 50}, func(p *peer) [][]byte {
			return [][]byte{p.packed(wire.Text, strings.Repeat("0", 1<<20))}
		}, []string{"50 to 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := deflated
			l.accept.Limits = test.limits
			c, p := l.rawClient(t)
			p.send(test.frames(p)...)
			_, _, err := c.Read(soon(t))
			for _, words := range test.words {
				wantViolation(t, err, 1009, words)
			}
			p.wantClose(1009, test.words[0])
			p.wantEnd()
		})
	}
}

func TestWhatIsJustSmallEnoughPasses(t *testing.T) {
	l := deflated
	l.accept.Limits = websocket.Limits{Message: 10_000, Fragments: 3, InflateRatio: 5}
	c, p := l.rawClient(t)
	p.send(p.text(lorem(10_000)), p.packed(wire.Text, lorem(10_000)))
	f := p.frame(wire.Header{Opcode: wire.Text}, lorem(10_000)[:5000])
	p.send(f, p.frame(wire.Header{}, ""), p.frame(wire.Header{Fin: true}, lorem(10_000)[5000:]))
	for range 3 {
		wantMessage(t, c, websocket.Text, lorem(10_000))
	}
}

func TestLimitsCanBeTakenOff(t *testing.T) {
	l := deflated
	l.accept.Limits = websocket.Limits{Message: -1, Fragments: -1, InflateRatio: -1}
	c, p := l.rawClient(t)
	large := strings.Repeat("0", 3<<20)
	go p.send(p.text(large), p.packed(wire.Text, large))
	wantMessage(t, c, websocket.Text, large)
	wantMessage(t, c, websocket.Text, large)
}

func TestCorruptMessagesAreRefused(t *testing.T) {
	good := string(deflate.Compress(nil, []byte(lorem(300)), 1, 15))
	packer := deflate.NewDeflator(true, 15, 1)
	packer.Append(nil, []byte(lorem(300)))
	for name, payload := range map[string]string{
		"no DEFLATE":                         "\xff\xff\xff",
		"broken off":                         good[:len(good)/2],
		"refers to a message before, though": string(packer.Append(nil, []byte(lorem(300)))),
	} {
		t.Run(name, func(t *testing.T) {
			c, p := deflated.rawClient(t)
			p.send(p.frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Binary}, payload))
			_, _, err := c.Read(soon(t))
			wantViolation(t, err, 1007, "corrupt")
			p.wantClose(1007, "corrupt")
		})
	}
}

func TestViolationsAreAnsweredWithTheirCode(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		code  websocket.StatusCode
	}{
		"reserved opcode":               {[]byte{0x83, 0x80, 0, 0, 0, 0}, 1002},
		"RSV1 without compression":      {[]byte{0xC1, 0x80, 0, 0, 0, 0}, 1002},
		"RSV2":                          {[]byte{0xA1, 0x80, 0, 0, 0, 0}, 1002},
		"RSV3":                          {[]byte{0x91, 0x80, 0, 0, 0, 0}, 1002},
		"no mask":                       {[]byte{0x81, 0x00}, 1002},
		"length with its top bit":       {[]byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
		"length in a longer form":       {[]byte{0x82, 0xFE, 0, 5, 0, 0, 0, 0}, 1002},
		"fragmented ping":               {[]byte{0x09, 0x80, 0, 0, 0, 0}, 1002},
		"long ping":                     {[]byte{0x89, 0xFE, 0, 126, 0, 0, 0, 0}, 1002},
		"continuation of nothing":       {[]byte{0x80, 0x80, 0, 0, 0, 0}, 1002},
		"text that is not UTF-8":        {[]byte{0x81, 0x81, 0, 0, 0, 0, 0xFF}, 1007},
		"hopeless text, rest to follow": {[]byte{0x81, 0x85, 0, 0, 0, 0, 'a', 0xFF}, 1007},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := link{}.rawClient(t)
			p.send(test.bytes)
			_, _, err := c.Read(soon(t))
			wantViolation(t, err, test.code, "")
			p.wantClose(test.code, "")
			p.wantEnd()
			if _, _, again := c.Read(soon(t)); !errors.Is(again, errors.Unwrap(err)) {
				t.Errorf("another Read: %v", again)
			}
		})
	}
}

func TestAMaskedServerIsRefused(t *testing.T) {
	c, p := link{}.rawServer(t)
	p.send([]byte{0x81, 0x80, 0, 0, 0, 0})
	_, _, err := c.Read(soon(t))
	wantViolation(t, err, 1002, "masked")
	p.wantClose(1002, "masked")
}

// drip is a message that comes a byte at a time.
func drip(p *peer, bytes []byte, pause time.Duration) {
	for i := range bytes {
		if _, err := p.nc.Write(bytes[i : i+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestAMessageThatDripsIsCutOff(t *testing.T) {
	for name, message := range map[string]func(p *peer) []byte{
		"in its payload": func(p *peer) []byte { return p.text(lorem(120)) },
		"in its header":  func(p *peer) []byte { return p.text(lorem(70_000))[:14] },
		"in its fragments": func(p *peer) []byte {
			return append(p.frame(wire.Header{Opcode: wire.Text}, "a"), p.frame(wire.Header{}, lorem(120))...)
		},
		"in a ping": func(p *peer) []byte { return p.control(wire.Ping, lorem(120)) },
	} {
		for _, pause := range []time.Duration{time.Second, time.Hour} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := link{over: overPipe}
					l.accept.Limits.FrameTimeout, l.accept.KeepAlive.Interval = 10*time.Second, -1
					c, p := l.rawClient(t)
					result := readInBackground(context.Background(), c)
					time.Sleep(100*time.Second + 37*time.Millisecond) // silence is no drip; the watch never looks at the moment of a byte
					start := time.Now()
					closed := make(chan struct{})
					go func() { p.wantClose(1008, "10s"); close(closed) }()
					drip(p, message(p), pause)
					<-closed
					wantViolation(t, (<-result).err, 1008, "not complete after 10s")
					if pause == time.Second {
						if took := time.Since(start); took < 10*time.Second || took > 17*time.Second {
							t.Errorf("after %v", took)
						}
					}
				})
			})
		}
	}
}

// A reader of streams is given each byte as it comes, which is no reason to wait for them for ever.
func TestAStreamThatDripsIsCutOff(t *testing.T) {
	for name, message := range map[string]func(p *peer) []byte{
		"in its payload": func(p *peer) []byte { return p.text(lorem(120)) },
		"in its fragments": func(p *peer) []byte {
			b := p.frame(wire.Header{Opcode: wire.Text}, "a")
			for range 20 {
				b = append(b, p.frame(wire.Header{}, "b")...)
			}
			return b
		},
		"in its empty fragments": func(p *peer) []byte {
			b := p.frame(wire.Header{Opcode: wire.Text}, "a")
			for range 20 {
				b = append(b, p.frame(wire.Header{}, "")...)
			}
			return b
		},
		"compressed": func(p *peer) []byte { return p.packed(wire.Text, lorem(400)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := deflated
				l.over, l.accept.Limits.FrameTimeout, l.accept.KeepAlive.Interval = overPipe, 10*time.Second, -1
				c, p := l.rawClient(t)
				result := make(chan error, 1)
				go func() { result <- drain(c) }()
				time.Sleep(37 * time.Millisecond) // the watch never looks at the moment of a byte
				start := time.Now()
				closed := make(chan struct{})
				go func() { p.wantClose(1008, "10s"); close(closed) }()
				drip(p, message(p), time.Second)
				<-closed
				wantViolation(t, <-result, 1008, "not complete after 10s")
				if took := time.Since(start); took < 10*time.Second || took > 17*time.Second {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

func TestAStreamThatMovesOnIsLetBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.Limits = websocket.Limits{FrameTimeout: 10 * time.Second, Message: -1}
		c, p := l.rawClient(t)
		p.discard()
		ended := make(chan error, 1)
		go func() { ended <- drain(c) }()
		op := wire.Binary
		for range 40 {
			p.send(p.frame(wire.Header{Opcode: op}, lorem(16<<10)))
			op = wire.Continuation
			time.Sleep(9 * time.Second)
			if c.Err() != nil {
				t.Fatal(c.Err())
			}
		}
		p.send(p.frame(wire.Header{Fin: true}, ""), p.closing(1000, ""))
		if err := <-ended; websocket.CloseStatus(err) != 1000 {
			t.Error(err)
		}
	})
}

// The watch looks at a connection now and then only; wherever its looks fall, a message has its full time.
func TestAMessageHasItsFullTimeWheneverItBegins(t *testing.T) {
	for begin := time.Duration(0); begin < 12*time.Second; begin += 700 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			l := link{over: overPipe}
			l.accept.Limits.FrameTimeout = 10 * time.Second
			c, p := l.rawClient(t)
			p.discard()
			message := p.text("slow but steady")
			for range 3 {
				result := readInBackground(context.Background(), c)
				time.Sleep(begin)
				drip(p, message[:len(message)-1], 9900*time.Millisecond/time.Duration(len(message)-1))
				p.nc.Write(message[len(message)-1:])
				if got := <-result; got.err != nil {
					t.Fatalf("begun after %v, complete in 9.9s: %v", begin, got.err)
				}
			}
		})
	}
}

func TestABusyConnectionIsNotTakenForASlowOne(t *testing.T) {
	for name, read := range map[string]func(*websocket.Conn) error{"by Messages": echo, "by Reader": drain} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { busy(t, read) }) })
	}
}

func busy(t *testing.T, read func(*websocket.Conn) error) {
	l := link{over: overPipe}
	l.accept.Limits.FrameTimeout = 2 * time.Second
	c, p := l.rawClient(t)
	p.discard()
	go read(c)
	// Each message begins where the one before ends, so that there is always one unfinished.
	var stream []byte
	for range 100 {
		stream = append(stream, p.text("a message a second")...)
	}
	one := len(p.text("a message a second"))
	p.send(stream[:one/2])
	for rest := stream[one/2:]; len(rest) > one; rest = rest[one:] {
		time.Sleep(time.Second)
		p.send(rest[:one])
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	}
}

func TestPingsDoNotProlongAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.Limits.FrameTimeout = 10 * time.Second
		c, p := l.rawClient(t)
		go c.Read(context.Background())
		closed := make(chan struct{})
		go func() { p.wantClose(1008, "10s"); close(closed) }()
		start := time.Now()
		p.send(p.frame(wire.Header{Opcode: wire.Text}, "begun"))
		time.Sleep(37 * time.Millisecond) // so that the watch never looks at the very moment of a ping
		for c.Err() == nil {
			p.nc.Write(p.control(wire.Ping, ""))
			time.Sleep(100 * time.Millisecond)
		}
		<-closed
		if took := time.Since(start); took > 17*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestNoTimeIsCountedWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		p.discard()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		go p.send(p.text("a message in two halves")[:9])
		c.Read(ctx)
		time.Sleep(time.Hour)
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	})
}

func TestAWriteThatDoesNotMoveDropsTheConnection(t *testing.T) {
	for name, write := range map[string]func(c *websocket.Conn, ctx context.Context) error{
		"Write": func(c *websocket.Conn, ctx context.Context) error { return c.Write(ctx, websocket.Text, []byte("x")) },
		"a large Write": func(c *websocket.Conn, ctx context.Context) error {
			return c.Write(ctx, websocket.Text, make([]byte, 1<<20))
		},
		"Ping": func(c *websocket.Conn, ctx context.Context) error { _, err := c.Ping(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe}
				l.accept.Limits.WriteTimeout = 10 * time.Second
				c, _ := l.rawClient(t)
				result := readInBackground(context.Background(), c)
				start := time.Now()
				wantError(t, write(c, context.Background()), websocket.ErrWriteTimeout, "")
				if took := time.Since(start); took < 10*time.Second || took > 15*time.Second {
					t.Errorf("after %v", took)
				}
				wantError(t, (<-result).err, websocket.ErrWriteTimeout, "")
			})
		})
	}
}

func TestAWriteThatMovesSlowlyIsLetBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.Limits.WriteTimeout = 10 * time.Second
		l.accept.KeepAlive = websocket.KeepAlive{Interval: 5 * time.Second, Timeout: time.Second}
		c, p := l.rawClient(t)
		go c.Read(context.Background())
		written := make(chan error, 1)
		go func() { written <- c.Write(context.Background(), websocket.Binary, make([]byte, 1<<20)) }()
		chunk := make([]byte, 32<<10)
		for left := 1 << 20; left > 0; left -= len(chunk) {
			time.Sleep(4 * time.Second)
			for got := 0; got < len(chunk) && c.Err() == nil; {
				n, err := p.nc.Read(chunk[got:])
				if err != nil {
					break
				}
				got += n
			}
			if c.Err() != nil {
				t.Fatalf("with %d bytes left: %v", left, c.Err())
			}
		}
	})
}
