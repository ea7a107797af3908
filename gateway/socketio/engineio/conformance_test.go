// The rules of the protocol one by one, as its own suite goes through them: with heartbeats of 300 and 200 ms, over a real network. How
// early or late a heartbeat is heartbeat_test.go measures, where no machine can be slow.

package engineio_test

import (
	"context"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

// quick are the heartbeats of the suite.
func quick() engineio.Options {
	return engineio.Options{PingInterval: beatInterval, PingTimeout: beatTimeout, MaxPayload: 1_000_000}
}

func TestConformanceOpenPacket(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, quick())
	for _, packet := range []string{n.do("GET", "EIO=4&transport=polling", "").body, n.socket("").read()} {
		if o := openingOf(t, packet); o.PingInterval != 300 || o.PingTimeout != 200 || o.MaxPayload != 1_000_000 {
			t.Errorf("%+v", o)
		}
	}
}

func TestConformanceHeartbeatOverPolling(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{PingInterval: beatInterval, PingTimeout: patience})
	c := n.dial()
	for range 3 {
		n.wantBody("GET", c.get(), "2")
		n.wantBody("POST", c.post("3"), "ok")
	}
	n.wantAlive(c.id)
}

func TestConformanceHeartbeatOverAWebSocket(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{PingInterval: beatInterval, PingTimeout: patience})
	s, id := n.session()
	for range 3 {
		s.want("2")
		s.write("3")
	}
	n.wantAlive(id)
}

func TestConformanceHeartbeatGoesOnAcrossAnUpgrade(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{PingInterval: beatInterval, PingTimeout: patience})
	c := n.dial()
	n.wantBody("GET", c.get(), "2")
	s := c.upgrade()
	s.write("3") // answers what came by the GET
	s.want("2")
	s.write("3")
	s.want("2")
	n.wantAlive(c.id)
}

func TestConformanceAPingThatWaitsIsHandedOver(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{PingInterval: beatInterval, PingTimeout: patience})
	c := n.dial()
	eventually(t, func() bool { return n.conn(c.id).Waiting() > 0 }, "a ping")
	s := c.upgrade()
	s.want("2")
	s.write("3")
	s.want("2")
}

func TestConformanceSilentSessionsEnd(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, quick())
	silent := n.dial()
	s, id := n.session()
	s.wantClosed(websocket.StatusPolicyViolation)
	n.wantEnd(id, engineio.PingTimeout)
	n.wantEnd(silent.id, engineio.PingTimeout)
	silent.wantUnknown()
	if got := n.server.Stats().PingTimeouts; got != 2 {
		t.Errorf("%d time-outs", got)
	}
}

func TestConformanceTwoSessionsKnowNothingOfEachOther(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	a, b := n.dial(), n.dial()
	a.post("4a")
	b.post("4b")
	n.wantBody("a", a.get(), "4a")
	n.wantBody("b", b.get(), "4b")
	b.post("1")
	n.wantEnd(b.id, engineio.TransportClose)
	n.wantAlive(a.id)
}

func TestShutdownTellsEverybody(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	waiting, away := n.dial(), n.dial()
	get := waiting.getting(t.Context())
	s, id := n.session()
	upgraded := n.dial()
	us := upgraded.upgrade()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- n.server.ShutdownPaced(ctx, 100*time.Millisecond, func(c *engineio.Conn) {
			c.Send(false, []byte("bye"))
			c.Close(engineio.ServerShutdown)
		})
	}()
	s.want("4bye")
	s.wantClosed(websocket.StatusServiceRestart)
	us.want("4bye")
	us.wantClosed(websocket.StatusServiceRestart)
	if a := soon(t, get, "the GET"); a.body != "4bye" && a.body != "4bye\x1e1" { // it may be answered between the two
		t.Errorf("%q", a.body)
	}
	for _, id := range []string{id, waiting.id, away.id, upgraded.id} {
		n.wantEnd(id, engineio.ServerShutdown)
	}
	n.wantBody("a GET that comes later", away.get(), "4bye\x1e1")
	n.wantError("a new session", n.do("GET", "EIO=4&transport=polling", ""), 503, 4)
	if err := soon(t, ended, "the end"); err != nil {
		t.Error(err)
	}
	if got := n.server.Stats().Sessions; got != 0 {
		t.Errorf("%d sessions are left", got)
	}
}

func TestShutdownIsCutShortByItsContext(t *testing.T) {
	stuck := make(chan struct{})
	n := start(t, engineio.Handler{Open: func(c *engineio.Conn) { c.Go(func() { <-stuck }) }}, engineio.Options{})
	n.dial()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.server.Shutdown(ctx); err == nil {
		t.Error("no error, though a session is left")
	}
	close(stuck)
	eventually(t, func() bool { return n.server.Stats().Sessions == 0 }, "the session to end")
}
