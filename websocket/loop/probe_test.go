package loop_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// probed starts a server that hands over the connections that come.
func probed(t *testing.T, d driver) (s *site, conns chan *loop.Conn) {
	conns = make(chan *loop.Conn, 4)
	return d.start(t, loop.Handler{Open: func(c *loop.Conn) { conns <- c }}, loop.Options{}), conns
}

func TestRoundTripsAreMeasured(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s, conns := probed(t, d)
		client := s.dial(websocket.DialOptions{})
		c := receive(t, conns, "the connection")
		for range 3 {
			var wg sync.WaitGroup
			for range 4 { // who share a ping, or send another one
				wg.Go(func() {
					if took, ok := c.RoundTrip(soon(t)); !ok || took <= 0 {
						t.Errorf("%v, %v", took, ok)
					}
				})
			}
			reading, enough := context.WithCancel(soon(t))
			done := make(chan struct{})
			go func() { // which answers pings
				defer close(done)
				client.Read(reading)
			}()
			wg.Wait()
			enough()
			<-done
		}
		client.CloseNow()
		until(t, "the connection has gone", func() bool { return c.Err() != nil })
		if _, ok := c.RoundTrip(soon(t)); ok {
			t.Error("a peer that has gone has answered")
		}
	})
}

func TestAPeerThatDoesNotAnswerHasNoRoundTrip(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s, conns := probed(t, d)
		p := s.peer()
		c := receive(t, conns, "the connection")
		for range 2 {
			p.send(wire.AppendControl(nil, wire.Client, wire.Pong, []byte("unasked!"))) // answers nothing
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			if took, ok := c.RoundTrip(ctx); ok {
				t.Errorf("an answer that was not given took %v", took)
			}
			cancel()
		}
	})
}

func TestTheLagOfALoopIsThatOfWhatHoldsItUp(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		held, on := make(chan struct{}), make(chan struct{})
		s := d.start(t, loop.Handler{Message: func(*loop.Conn, websocket.MessageType, []byte) {
			close(held)
			<-on
		}}, loop.Options{Loops: 2})
		if lag := s.Lag(soon(t)); lag > patience/2 {
			t.Errorf("idle loops lag by %v", lag)
		}
		s.dial(websocket.DialOptions{}).Write(soon(t), websocket.Text, []byte("hold"))
		receive(t, held, "the handler")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		lag := s.Lag(ctx)
		onLoops := !d.goroutines && s.OnLoops()
		if onLoops && lag < 25*time.Millisecond || !onLoops && lag != 0 {
			t.Errorf("the lag of a loop that is held up is %v", lag)
		}
		close(on)
	})
}
