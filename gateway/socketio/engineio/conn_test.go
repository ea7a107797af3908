// What a program does with a session.

package engineio_test

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

func TestAPreparedMessageSuitsEveryTransport(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	s, id := n.session()
	c := n.dial()
	for _, m := range []*engineio.Message{
		engineio.Prepare([]byte("text")), engineio.Prepare([]byte("two"), []byte{1}, []byte{}), engineio.Prepare(nil), engineio.PrepareBinary([]byte{2}),
	} {
		for _, to := range []string{id, c.id} {
			if _, err := n.conn(to).SendPrepared(m); err != nil {
				t.Error(err)
			}
		}
	}
	s.want("4text", "4two", "b:\x01", "b:", "4", "b:\x02")
	n.wantBody("GET", c.get(), "4text\x1e4two\x1ebAQ==\x1eb\x1e4\x1ebAg==")
}

func TestSendingAPreparedMessageAllocatesNothing(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	_, id := n.session() // what it does not read the system keeps
	m, c := engineio.Prepare([]byte(strings.Repeat("x", 100))), n.conn(id)
	if got := testing.AllocsPerRun(200, func() { c.SendPrepared(m) }); got > 0 && !raceEnabled {
		t.Errorf("%v allocations", got)
	}
}

func TestAttachmentsFollowTheirTextAtOnce(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{OutboxBytes: 8 << 20})
	s, id := n.session()
	const senders, each = 8, 200
	for range senders {
		go func() {
			m := engineio.Prepare([]byte("text"), []byte{1}, []byte{2})
			for i := range each {
				if i%2 == 0 {
					n.conn(id).SendPrepared(m)
				} else {
					n.conn(id).Send(false, []byte("alone"))
				}
			}
		}()
	}
	for range senders * each {
		switch text := s.read(); text {
		case "4text":
			s.want("b:\x01", "b:\x02")
		case "4alone":
		default:
			t.Fatalf("%q between", text)
		}
	}
}

func TestAFunctionOfGoHoldsBackTheMessagesBehindIt(t *testing.T) {
	goOn := make(chan struct{})
	n := start(t, engineio.Handler{
		Open: func(c *engineio.Conn) {
			c.Go(func() {
				<-goOn // otherwise it may be in one answer with the open packet
				c.Send(false, []byte("opened"))
			})
		},
		Message: func(c *engineio.Conn, _ bool, p []byte) {
			text := string(p)
			c.Go(func() {
				<-goOn
				c.Send(false, []byte(text))
			})
		}}, engineio.Options{})
	s, _ := n.session()
	goOn <- struct{}{}
	s.want("4opened")
	s.write("4a")
	s.write("4b")
	goOn <- struct{}{}
	s.want("4a")
	goOn <- struct{}{}
	s.want("4b")

	c := n.dial()
	goOn <- struct{}{}
	n.wantBody("GET", c.get(), "4opened")
	go c.try(t.Context(), "POST", c.query(), strings.NewReader("4c\x1e4d\x1e4e"))
	for _, want := range []string{"4c", "4d", "4e"} {
		goOn <- struct{}{}
		n.wantBody("GET", c.get(), want)
	}
}

func TestCloseComesBehindAFunctionOfGo(t *testing.T) {
	goOn, inside := make(chan struct{}), make(chan struct{}, 2)
	n := start(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, p []byte) {
		c.Go(func() { inside <- struct{}{}; <-goOn })
	}}, engineio.Options{})
	s, id := n.session()
	s.write("4a")
	c := n.dial()
	c.post("4a")
	soon(t, inside, "the function")
	soon(t, inside, "the function")
	for _, id := range []string{id, c.id} {
		n.conn(id).Close(engineio.ForcedClose)
		n.wantAlive(id)
		goOn <- struct{}{}
	}
	n.wantEnd(id, engineio.ForcedClose)
	n.wantEnd(c.id, engineio.ForcedClose)
}

func TestGoTwiceInACallIsRefused(t *testing.T) {
	n := start(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, _ []byte) {
		c.Go(func() {})
		c.Go(func() {})
	}}, engineio.Options{})
	s, id := n.session()
	s.write("4a")
	n.wantEnd(id, engineio.TransportError)
}

func TestDrainedIsToldOnceTheClientHasReadUp(t *testing.T) {
	told := make(chan string, 10)
	n := start(t, engineio.Handler{Drained: func(c *engineio.Conn) { told <- c.ID() }}, engineio.Options{})
	c := n.dial()
	conn := n.conn(c.id)
	conn.NotifyDrained(0)
	soon(t, told, "a notice that is due at once")
	conn.Send(false, make([]byte, 1000))
	if w := conn.Waiting(); w < 1000 || w > 1200 {
		t.Errorf("%d bytes wait", w)
	}
	conn.NotifyDrained(500)
	conn.Send(false, nil)
	if len(told) > 0 {
		t.Error("told too early")
	}
	c.get()
	if got := soon(t, told, "the notice"); got != c.id || conn.Waiting() != 0 {
		t.Errorf("%d bytes wait", conn.Waiting())
	}
	conn.Send(false, make([]byte, 1000))
	conn.NotifyDrained(0)
	s := c.upgrade() // carries the wish over
	s.read()
	soon(t, told, "the notice after the upgrade")
	conn.NotifyDrained(0)
	soon(t, told, "a notice over the WebSocket")
	if len(told) > 0 {
		t.Error("told twice")
	}
}

func TestWritableSaysWhetherAnythingLeavesAtOnce(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	c := n.dial()
	conn := n.conn(c.id)
	if conn.Writable() {
		t.Error("no GET waits")
	}
	waits := c.getting(t.Context())
	conn.Send(false, []byte("x"))
	soon(t, waits, "the GET")
	if conn.Writable() {
		t.Error("no GET waits any more")
	}
	s, id := n.session()
	defer s.CloseNow()
	eventually(t, n.conn(id).Writable, "the WebSocket to have written the open packet")
	s.Close(websocket.StatusNormalClosure, "")
	n.wantEnd(id, engineio.TransportClose)
	if n.conn(id).Writable() {
		t.Error("it has ended")
	}
}
