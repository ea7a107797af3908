// Pings, pongs, and peers that overdo them.

package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestPingMeasuresTheRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, raw := range []func(link, testing.TB) (*websocket.Conn, *peer){link.rawClient, link.rawServer} {
			c, p := raw(link{over: overPipe}, t)
			go c.Read(context.Background())
			type result struct {
				rtt time.Duration
				err error
			}
			results := make(chan result)
			ping := func() {
				rtt, err := c.Ping(context.Background())
				results <- result{rtt, err}
			}
			go ping()
			_, first, _ := p.next()
			go ping()
			_, second, _ := p.next()
			if first == second {
				t.Errorf("two pings with the same payload %q", first)
			}
			p.send(p.control(wire.Pong, "nobody asked for this"), p.control(wire.Pong, ""), p.control(wire.Pong, "8 bytes!"))
			time.Sleep(70 * time.Millisecond)
			p.send(p.control(wire.Pong, second), p.control(wire.Pong, second))
			if r := <-results; r.err != nil || r.rtt != 70*time.Millisecond {
				t.Errorf("second: %v, %v", r.rtt, r.err)
			}
			time.Sleep(50 * time.Millisecond)
			p.send(p.control(wire.Pong, first))
			if r := <-results; r.err != nil || r.rtt != 120*time.Millisecond {
				t.Errorf("first: %v, %v", r.rtt, r.err)
			}
			if c.Err() != nil {
				t.Errorf("ended with %v", c.Err())
			}
		}
	})
}

func TestPingBetweenTwoConns(t *testing.T) {
	for _, over := range []medium{overTCP, overTLS} {
		server, client := link{over: over}.connect(t)
		server.CloseRead(t.Context())
		client.CloseRead(t.Context())
		for _, c := range []*websocket.Conn{server, client} {
			if rtt, err := c.Ping(soon(t)); err != nil || rtt <= 0 {
				t.Errorf("%v, %v", rtt, err)
			}
		}
	}
}

func TestPingEndsWithItsContextOrTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		p.discard()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody reads: %v", err)
		}
		failed := make(chan error)
		go func() {
			_, err := c.Ping(context.Background())
			failed <- err
		}()
		synctest.Wait()
		c.CloseNow()
		wantError(t, <-failed, websocket.ErrClosed, "")
	})
}

func TestPingsAreAnsweredInOrderWithTheirPayloads(t *testing.T) {
	for _, raw := range []func(link, testing.TB) (*websocket.Conn, *peer){link.rawClient, link.rawServer} {
		c, p := raw(link{}, t)
		c.CloseRead(t.Context())
		for _, payload := range []string{"", "a", "\x00\xff", strings.Repeat("p", 125)} {
			p.send(p.control(wire.Ping, payload))
			p.want(wire.Pong, payload)
		}
		var burst []byte
		for i := range 20 {
			burst = append(burst, p.control(wire.Ping, fmt.Sprint(i))...)
		}
		p.send(burst)
		for i := range 20 {
			p.want(wire.Pong, fmt.Sprint(i))
		}
	}
}

// Two programs that are both stuck in a long write must go on reading, or they would wait for each other for ever.
func TestReadsGoOnWhileAWriteIsStuckAndPingsAreAnsweredAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := link{over: overPipe}.rawClient(t)
		message := lorem(1 << 20)
		written := make(chan error, 1)
		go func() { written <- c.Write(context.Background(), websocket.Text, []byte(message)) }()
		synctest.Wait() // stuck: the peer does not read
		result := readInBackground(context.Background(), c)
		p.send(p.control(wire.Ping, "in between"), p.text("hello"))
		if got := <-result; string(got.data) != "hello" || got.err != nil {
			t.Errorf("%q, %v", got.data, got.err)
		}
		go c.Read(context.Background())
		p.want(wire.Text, message)
		p.want(wire.Pong, "in between")
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
}

func TestAFloodOfPingsThatNobodyHearsAnsweredCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link{over: overPipe}
		l.accept.Limits.WriteTimeout, l.accept.KeepAlive.Interval = -1, -1
		c, p := l.rawClient(t)
		go c.Write(context.Background(), websocket.Binary, make([]byte, 100))
		synctest.Wait() // stuck
		go c.Read(context.Background())
		const pings = 500
		for i := range pings {
			p.send(p.control(wire.Ping, fmt.Sprint(i)))
		}
		p.want(wire.Binary, string(make([]byte, 100)))
		go func() {
			synctest.Wait()
			c.CloseNow()
		}()
		answers, last := 0, ""
		for {
			h, payload, err := p.next()
			if err != nil {
				break
			}
			if h.Opcode == wire.Pong {
				answers, last = answers+1, payload
			}
		}
		if answers == 0 || answers > 32 {
			t.Errorf("%d answers were owed", answers)
		}
		if last != fmt.Sprint(pings-1) {
			t.Errorf("the newest ping is not among those answered; the last is %q", last)
		}
	})
}

func TestMoreThanAThousandControlFramesASecondAreTooMany(t *testing.T) {
	for _, op := range []wire.Opcode{wire.Ping, wire.Pong} {
		t.Run(op.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := link{over: overPipe}.rawClient(t)
				result := readInBackground(context.Background(), c)
				closed := make(chan struct{})
				go func() { p.wantClose(1008, "control frames"); close(closed) }()
				go func() {
					for range 2000 {
						if _, err := p.nc.Write(p.control(op, "")); err != nil {
							return
						}
					}
				}()
				wantViolation(t, (<-result).err, 1008, "1000 control frames")
				<-closed
			})
		})
	}
}

func TestAThousandControlFramesASecondAreAllowedForEver(t *testing.T) {
	for name, pause := range map[string]time.Duration{"second after second": time.Second, "after a quiet hour": time.Hour} {
		for _, burst := range []int{500, 1000} {
			t.Run(fmt.Sprint(burst, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := link{over: overPipe}
					l.accept.KeepAlive.Interval = -1
					c, p := l.rawClient(t)
					p.discard()
					go c.Read(context.Background())
					for range 5 {
						for range burst {
							p.send(p.control(wire.Ping, "x"))
						}
						time.Sleep(pause)
						if c.Err() != nil {
							t.Fatalf("ended with %v", c.Err())
						}
					}
				})
			})
		}
	}
}

func TestTheBudgetOfControlFramesIsPerSecondHoweverTheyFall(t *testing.T) {
	for burst := 998; burst <= 1001; burst++ { // the last that passes is where a budget is used up and not refilled
		synctest.Test(t, func(t *testing.T) {
			l := link{over: overPipe}
			l.accept.KeepAlive.Interval = -1
			c, p := l.rawClient(t)
			p.discard()
			go c.Read(context.Background())
			for range burst {
				p.nc.Write(p.control(wire.Ping, "x"))
			}
			synctest.Wait()
			if c.Err() != nil {
				return // too many at once
			}
			time.Sleep(time.Hour)
			p.nc.Write(p.control(wire.Ping, "an hour later"))
			synctest.Wait()
			if c.Err() != nil {
				t.Errorf("%d pings and, an hour later, one more: %v", burst, c.Err())
			}
		})
	}
}

func TestControlFramesWithinAMessageDoNotDisturbIt(t *testing.T) {
	server, p := link{}.rawClient(t)
	var frames [][]byte
	for i := range 100 {
		op := wire.Continuation
		if i == 0 {
			op = wire.Text
		}
		frames = append(frames, p.control(wire.Pong, "heartbeat"), p.frame(wire.Header{Opcode: op, Fin: i == 99}, fmt.Sprint(i, ",")))
	}
	go p.send(frames...)
	_, r, err := server.Reader(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 100 {
		fmt.Fprint(&want, i, ",")
	}
	if got, err := io.ReadAll(r); string(got) != want.String() || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
