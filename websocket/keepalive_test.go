// Keep-alive.

package websocket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

// frames collects what a peer receives.
func (p *peer) frames() <-chan wire.Opcode {
	frames := make(chan wire.Opcode, 1000)
	go func() {
		defer close(frames)
		for {
			h, _, err := p.next()
			if err != nil {
				return
			}
			frames <- h.Opcode
		}
	}()
	return frames
}

func TestSilenceIsAnsweredByAPingAndThenTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		keep              websocket.KeepAlive
		interval, timeout time.Duration
	}{
		"by default": {websocket.KeepAlive{}, 20 * time.Second, 10 * time.Second},
		"as set":     {websocket.KeepAlive{Interval: 7 * time.Second, Timeout: 3 * time.Second}, 7 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe}
				l.accept.KeepAlive = test.keep
				c, p := l.rawClient(t)
				result := readInBackground(context.Background(), c)
				start := time.Now()
				frames := p.frames()
				if op := <-frames; op != wire.Ping {
					t.Fatalf("got a %v frame", op)
				}
				if silence := time.Since(start); silence < test.interval || silence > test.interval*3/2 {
					t.Errorf("pinged after %v", silence)
				}
				start = time.Now()
				wantError(t, (<-result).err, websocket.ErrKeepAlive, "")
				if waited := time.Since(start); waited != test.timeout {
					t.Errorf("dropped after another %v", waited)
				}
				if _, more := <-frames; more {
					t.Error("something more was sent")
				}
			})
		})
	}
}

func TestAPeerThatAnswersIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.KeepAlive = websocket.KeepAlive{Interval: 20 * time.Second, Timeout: 5 * time.Second}
		c, p := l.rawClient(t)
		go c.Read(context.Background())
		for range 20 {
			h, payload, err := p.next()
			if err != nil || h.Opcode != wire.Ping {
				t.Fatalf("%v, %v", h.Opcode, err)
			}
			time.Sleep(4900 * time.Millisecond)
			p.send(p.control(wire.Pong, payload))
		}
		synctest.Wait()
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

// A program may look in for messages now and then, with contexts much shorter than the interval of the pings.
func TestThePeerOfAReaderThatPolls(t *testing.T) {
	const patience = 1037 * time.Millisecond // no look of the watch ever falls between two reads
	keep := websocket.KeepAlive{Interval: 20 * time.Second, Timeout: 5 * time.Second}
	for name, read := range map[string]func(context.Context, *websocket.Conn) error{
		"by Read":   func(ctx context.Context, c *websocket.Conn) error { _, _, err := c.Read(ctx); return err },
		"by Reader": func(ctx context.Context, c *websocket.Conn) error { _, _, err := c.Reader(ctx); return err },
	} {
		// poll reads until something other than its patience ends, or for an hour.
		poll := func(c *websocket.Conn) (err error) {
			for start := time.Now(); time.Since(start) < time.Hour; {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				err = read(ctx, c)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) {
					break
				}
			}
			return err
		}
		t.Run(name+" is found dead", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe}
				l.accept.KeepAlive = keep
				c, p := l.rawClient(t)
				p.discard()
				start := time.Now()
				wantError(t, poll(c), websocket.ErrKeepAlive, "")
				if took := time.Since(start); took < keep.Interval+keep.Timeout || took > keep.Interval*3/2+keep.Timeout {
					t.Errorf("after %v", took)
				}
			})
		})
		t.Run(name+" is kept alive", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe}
				l.accept.KeepAlive = keep
				c, p := l.rawClient(t)
				pings := 0
				go func() {
					for {
						h, payload, err := p.next()
						if err != nil {
							return
						}
						if h.Opcode == wire.Ping {
							pings++
							p.send(p.control(wire.Pong, payload))
						}
					}
				}()
				wantError(t, poll(c), context.DeadlineExceeded, "")
				synctest.Wait()
				if c.Err() != nil || pings < 60 {
					t.Errorf("%d pings in an hour, %v", pings, c.Err())
				}
			})
		})
	}
}

func TestTwoConnsKeepEachOtherAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		// The server's turn never comes at the same moment: two pings at once would block each other's answers in the pipe, which buffers nothing.
		l.accept.KeepAlive.Interval, l.dial.KeepAlive.Interval = 30*time.Second, 20*time.Second
		server, client := l.connect(t)
		server.CloseRead(t.Context())
		client.CloseRead(t.Context())
		time.Sleep(24 * time.Hour)
		if server.Err() != nil || client.Err() != nil {
			t.Error(server.Err(), client.Err())
		}
	})
}

func TestNoPingIsSentWhen(t *testing.T) {
	for name, test := range map[string]struct {
		raw  func(link, testing.TB) (*websocket.Conn, *peer)
		keep websocket.KeepAlive
		use  func(c *websocket.Conn, p *peer)
	}{
		"nobody reads":             {link.rawClient, websocket.KeepAlive{}, func(*websocket.Conn, *peer) { time.Sleep(time.Hour) }},
		"it is off":                {link.rawClient, websocket.KeepAlive{Interval: -1}, func(c *websocket.Conn, _ *peer) { go c.Read(context.Background()); time.Sleep(time.Hour) }},
		"it is a client's default": {link.rawServer, websocket.KeepAlive{}, func(c *websocket.Conn, _ *peer) { go c.Read(context.Background()); time.Sleep(time.Hour) }},
		"the peer speaks of itself": {link.rawClient, websocket.KeepAlive{}, func(c *websocket.Conn, p *peer) {
			go echo(c)
			for range 500 {
				p.send(p.control(wire.Pong, "heartbeat"))
				time.Sleep(15 * time.Second)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe}
				l.accept.KeepAlive, l.dial.KeepAlive = test.keep, test.keep
				c, p := test.raw(l, t)
				frames := p.frames()
				test.use(c, p)
				synctest.Wait()
				if c.Err() != nil {
					t.Error(c.Err())
				}
				select {
				case op := <-frames:
					t.Errorf("got a %v frame", op)
				default:
				}
			})
		})
	}
}

func TestAReaderThatIsBusyIsNotASilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		frames := p.frames()
		go func() {
			for range c.Messages(context.Background()) {
				time.Sleep(10 * time.Minute)
			}
		}()
		p.send(p.text("think about it"))
		time.Sleep(9 * time.Minute)
		if c.Err() != nil || len(frames) != 0 {
			t.Errorf("%d frames, %v", len(frames), c.Err())
		}
		c.CloseNow()
		time.Sleep(time.Hour)
	})
}

// A write under way is proof enough that the peer lives as long as it moves, and no ping can pass it.
func TestNoPingIsMissedBehindALongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.KeepAlive = websocket.KeepAlive{Interval: 10 * time.Second, Timeout: 2 * time.Second}
		c, p := l.rawClient(t)
		go c.Read(context.Background())
		go c.Write(context.Background(), websocket.Binary, make([]byte, 1<<20))
		for range 60 {
			time.Sleep(time.Second)
			p.nc.Read(make([]byte, 16<<10))
			if c.Err() != nil {
				t.Fatal(c.Err())
			}
		}
	})
}
