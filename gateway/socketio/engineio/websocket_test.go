// Sessions that are WebSockets from the beginning.

package engineio_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

func TestMessagesGoBothWaysOverAWebSocket(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	s, id := n.session()
	s.write("4hello")
	s.write("4")
	s.send(websocket.Binary, []byte{1, 2, 3})
	s.send(websocket.Binary, nil)
	s.write("4\x1e")
	s.want("4hello", "4", "b:\x01\x02\x03", "b:", "4\x1e")
	if c := n.conn(id); c.Transport() != "websocket" || c.Upgraded() {
		t.Errorf("%s, upgraded %v", c.Transport(), c.Upgraded())
	}
}

func TestBadPacketsEndAWebSocketsSession(t *testing.T) {
	for name, packet := range map[string]string{
		"unknown digit": "7", "letter": "abc", "nothing": "", "ping": "2", "probe": "2probe", "open": "0{}", "upgrade": "5", "noop": "6", "binary as text": "bAQID",
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
			other, otherID := n.session()
			s, id := n.session()
			s.write(packet)
			s.wantClosed(websocket.StatusProtocolError)
			n.wantEnd(id, engineio.ParseError)
			n.wantAlive(otherID)
			other.write("4x")
			other.want("4x")
		})
	}
}

func TestAnOversizedMessageClosesWith1009(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{MaxPayload: 1000})
	s, id := n.session()
	s.write("4" + strings.Repeat("x", 999))
	s.read()
	s.write("4" + strings.Repeat("x", 1000))
	s.wantClosed(websocket.StatusMessageTooBig)
	n.wantEnd(id, engineio.TransportError)
	if n.server.Stats().TooLarge != 1 {
		t.Error("not counted")
	}
}

func TestTheWaysInWhichAWebSocketEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(n *node, s *socket, id string)
		reason engineio.Reason
	}{
		"the client says 1":        {func(_ *node, s *socket, _ string) { s.write("1"); s.wantClosed(1000) }, engineio.TransportClose},
		"the client closes":        {func(_ *node, s *socket, _ string) { s.Close(1000, "") }, engineio.TransportClose},
		"the client goes away":     {func(_ *node, s *socket, _ string) { s.Close(1001, "") }, engineio.TransportClose},
		"the line is cut":          {func(_ *node, s *socket, _ string) { s.CloseNow() }, engineio.TransportClose},
		"the server closes":        {func(n *node, s *socket, id string) { n.conn(id).Close(engineio.ForcedClose); s.wantClosed(1000) }, engineio.ForcedClose},
		"the server is going down": {func(n *node, s *socket, id string) { n.conn(id).Close(engineio.ServerShutdown); s.wantClosed(1012) }, engineio.ServerShutdown},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, engineio.Handler{}, engineio.Options{})
			s, id := n.session()
			c.end(n, s, id)
			n.wantEnd(id, c.reason)
			if _, err := n.conn(id).Send(false, nil); err == nil {
				t.Error("sent behind the end")
			}
		})
	}
}

func TestWhatIsQueuedLeavesBeforeTheClose(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{})
	s, id := n.session()
	n.conn(id).Send(false, []byte("a"))
	n.conn(id).SendPrepared(engineio.Prepare([]byte("b")))
	n.conn(id).Close(engineio.ForcedClose)
	s.want("4a", "4b")
	s.wantClosed(1000)
}

func TestASecondWebSocketOfASessionIsClosed(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{})
	s, id := n.session()
	second := n.socket("&sid=" + id)
	second.wantClosed(websocket.StatusPolicyViolation)
	s.write("4x")
	s.want("4x")
	n.wantAlive(id)
}

func TestASlowWebSocketIsCut(t *testing.T) {
	n := start(t, engineio.Handler{}, engineio.Options{OutboxBytes: 100_000})
	_, id := n.session() // does not read
	payload := make([]byte, 10_000)
	for i := 0; i < 10_000 && err(n.conn(id).Send(true, payload)) == nil; i++ {
	}
	n.wantEnd(id, engineio.TransportError)
	if n.server.Stats().Slow != 1 {
		t.Error("not counted")
	}
}

func TestLargeMessagesPass(t *testing.T) {
	n := start(t, engineio.Handler{Message: echo}, engineio.Options{OutboxBytes: 4 << 20})
	b := bytes.Repeat([]byte("0123456789"), 90_000)
	s, _ := n.session()
	s.send(websocket.Binary, b)
	s.want("b:" + string(b))
	c := n.dial()
	c.post("4" + string(b))
	n.wantBody("polling", c.get(), "4"+string(b))
}
