// The upgrade from polling to a WebSocket, step by step and with everything that can come between.

package engineio_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

// probe opens a WebSocket for a session and does the first half of the upgrade.
func (c *client) probe() *socket {
	c.t.Helper()
	s := c.socket("&sid=" + c.id)
	s.write("2probe")
	s.want("3probe")
	return s
}

// upgrade is the whole of it.
func (c *client) upgrade() *socket {
	c.t.Helper()
	s := c.probe()
	s.write("5")
	eventually(c.t, func() bool { return c.conn(c.id).Transport() == "websocket" }, "the upgrade")
	return s
}

func TestAWebSocketTakesOver(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	waits := c.getting(t.Context())
	s := c.probe()
	n.wantBody("the waiting GET", soon(t, waits, "the GET"), "6")
	n.wantBody("a GET in between", c.get(), "6")
	n.wantBody("a POST in between", c.post("4a\x1ebAQ=="), "ok")
	n.wantBody("data leaves by a GET in between", c.get(), "4a\x1ebAQ==")
	c.post("4b\x1ebAg==")
	n.conn(c.id).SendPrepared(engineio.Prepare([]byte("p"), []byte{3}, []byte{4}))
	s.write("5")
	s.want("4b", "b:\x02", "4p", "b:\x03", "b:\x04") // and not what has left
	s.write("4c")
	s.want("4c")
	conn := n.conn(c.id)
	if conn.Transport() != "websocket" || !conn.Upgraded() || n.server.Stats().Upgraded != 1 {
		t.Errorf("%s, upgraded %v", conn.Transport(), conn.Upgraded())
	}
	n.wantError("GET behind it", c.get(), 400, 3)
	n.wantError("POST behind it", c.post("4x"), 400, 3)
	c.socket("&sid=" + c.id).wantClosed(websocket.StatusPolicyViolation)
	n.wantAlive(c.id)
	s.write("4d")
	s.want("4d")
	s.Close(1000, "")
	n.wantEnd(c.id, engineio.TransportClose)
	c.wantUnknown()
}

func TestThePendingGetEndsWithTheUpgradeAtTheLatest(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	s := c.upgrade() // without a GET
	s.write("4a")
	s.want("4a")
}

// A client that does not wait for 3probe may find that its GET is overtaken by the upgrade; it is refused then, or told nothing.
func TestAGetThatRacesWithTheUpgradeIsAnswered(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	refused := 0
	for range 100 {
		c := n.dial()
		s := c.socket("&sid=" + c.id)
		s.write("2probe")
		s.write("5")
		if a := c.get(); a.status == 400 {
			n.wantError("GET", a, 400, 3)
			refused++
		} else {
			n.wantBody("GET", a, "6")
		}
		s.write("4x")
		s.want("3probe", "4x")
		n.wantAlive(c.id)
	}
	t.Logf("%d of 100 were refused", refused)
}

func TestAFailedProbeLeavesThePollingAlone(t *testing.T) {
	for name, fail := range map[string]func(s *socket){
		"another packet first": func(s *socket) { s.write("4x"); s.wantClosed(1008) },
		"5 at once":            func(s *socket) { s.write("5"); s.wantClosed(1008) },
		"ping":                 func(s *socket) { s.write("2"); s.wantClosed(1008) },
		"another probe":        func(s *socket) { s.write("2prober"); s.wantClosed(1008) },
		"nothing":              func(s *socket) { s.write(""); s.wantClosed(1008) },
		"binary":               func(s *socket) { s.send(websocket.Binary, []byte("2probe")); s.wantClosed(1008) },
		"message before 5":     func(s *socket) { s.write("2probe"); s.want("3probe"); s.write("4x"); s.wantClosed(1008) },
		"probe twice":          func(s *socket) { s.write("2probe"); s.want("3probe"); s.write("2probe"); s.wantClosed(1008) },
		"closed at once":       func(s *socket) { s.Close(1000, "") },
		"closed after 3probe":  func(s *socket) { s.write("2probe"); s.want("3probe"); s.Close(1000, "") },
		"cut after 3probe":     func(s *socket) { s.write("2probe"); s.want("3probe"); s.CloseNow() },
		"too long":             func(s *socket) { s.write("2probe" + strings.Repeat("x", 3000)); s.wantClosed(1009) },
		"no UTF-8":             func(s *socket) { s.send(websocket.Text, []byte("2\xff")); s.wantClosed(1007) },
	} {
		t.Run(name, func(t *testing.T) {
			var heard atomic.Int32
			n := start(t, engineio.Handler{Message: func(c *engineio.Conn, b bool, p []byte) { heard.Add(1); echo(c, b, p) }}, engineio.Options{MaxPayload: 2000})
			c := n.dial()
			fail(c.socket("&sid=" + c.id))
			eventually(t, func() bool { return n.server.Stats().Sockets.Connections == 0 }, "the WebSocket to be gone")
			waits := c.getting(t.Context()) // waits again
			c.post("4a")
			n.wantBody("GET", soon(t, waits, "the GET"), "4a")
			n.wantAlive(c.id)
			s := c.upgrade() // another may try
			s.write("4b")
			s.want("4b")
			if got := heard.Load(); got != 2 {
				t.Errorf("%d messages were heard, want 2", got)
			}
		})
	}
}

func TestAProbeThatDoesNotGoOnTimesOut(t *testing.T) {
	for _, answered := range []bool{false, true} {
		n := start(t, engineio.Handler{Message: echo}, engineio.Options{UpgradeTimeout: 300 * time.Millisecond})
		c := n.dial()
		s := c.socket("&sid=" + c.id)
		if answered {
			s.Write(t.Context(), websocket.Text, []byte("2probe")) // it may be too late already
		}
		s.wantClosed(1008)
		waits := c.getting(t.Context())
		c.post("4a")
		n.wantBody("GET", soon(t, waits, "the GET"), "4a")
	}
}

func TestParallelProbesAreRefused(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	c := n.dial()
	first := c.probe()
	for range 3 {
		c.socket("&sid=" + c.id).wantClosed(1008)
	}
	second := c.socket("&sid=" + c.id)
	second.Write(t.Context(), websocket.Text, []byte("2probe")) // it may be closed by now
	second.Write(t.Context(), websocket.Text, []byte("5"))
	second.wantClosed(1008)
	first.write("5")
	first.write("4a")
	first.want("4a")
}

func TestTheSessionsEndIsTheProbesEnd(t *testing.T) {
	for name, end := range map[string]func(c *client){
		"closed by the server": func(c *client) { c.conn(c.id).Close(engineio.ForcedClose) },
		"closed by the client": func(c *client) { c.post("1") },
		"parse error":          func(c *client) { c.post("x") },
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, engineio.Handler{}, engineio.Options{})
			c := n.dial()
			s := c.probe()
			end(c)
			s.wantClosed(1008)
			n.mu.Lock()
			defer n.mu.Unlock()
			eventually(t, func() bool { return n.server.Stats().Sockets.Connections == 0 }, "the WebSocket to be gone")
		})
	}
}

func TestAnUpgradeIsRefusedWhereThereIsNone(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{NoUpgrade: true})
	c := n.dial()
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.web.URL, "http")+"/?EIO=4&transport=websocket&sid="+c.id, nil)
	if err == nil || resp == nil || resp.StatusCode != 400 {
		t.Errorf("%v, %v", resp, err)
	}
	n.wantAlive(c.id)
}

func TestWhatTheClientSaysBeforeItClosesCounts(t *testing.T) {
	heard := make(chan string, 10)
	n := start(t, engineio.Handler{Message: func(_ *engineio.Conn, _ bool, p []byte) { heard <- string(p) }}, engineio.Options{})
	c := n.dial()
	s := c.probe()
	c.post("4a")
	for _, packet := range []string{"5", "4b", "4c"} {
		s.write(packet)
	}
	s.Close(1000, "")
	n.wantEnd(c.id, engineio.TransportClose)
	if len(heard) != 3 || <-heard != "a" || <-heard != "b" || <-heard != "c" {
		t.Error("want a, b and c")
	}
}

// A client that does not wait for its POST before it says 5 still has its messages in order.
func TestAPostThatIsHeardGoesBeforeWhatTheWebSocketSays(t *testing.T) {
	heard, goOn, inHandler := make(chan string, 10), make(chan struct{}), make(chan struct{})
	n := start(t, engineio.Handler{Message: func(_ *engineio.Conn, _ bool, p []byte) {
		if string(p) == "first" {
			close(inHandler)
			<-goOn
		}
		heard <- string(p)
	}}, engineio.Options{})
	c := n.dial()
	s := c.probe()
	posted := make(chan answer, 1)
	go func() {
		a, _ := c.try(context.Background(), "POST", c.query(), strings.NewReader("4first\x1e4second"))
		posted <- a
	}()
	soon(t, inHandler, "the POST to be heard")
	for _, packet := range []string{"5", "4third", "4fourth"} {
		s.write(packet)
	}
	eventually(t, func() bool { return n.conn(c.id).Transport() == "websocket" }, "the upgrade")
	close(goOn)
	for _, want := range []string{"first", "second", "third", "fourth"} {
		if got := soon(t, heard, want); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	n.wantBody("POST", soon(t, posted, "the POST"), "ok")
}
