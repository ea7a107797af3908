// How connections between our client and a server of ws end, and how they are kept alive.

package interop

import (
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

func TestClientCloses(t *testing.T) {
	ws := node.Shared(t, "server.js")
	url := theirs(t, ws, listener{Behaviour: "listen"})
	for _, c := range closings {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := dial(t, url, nil)
			if err := conn.Close(c.Code, c.Reason); err != nil {
				t.Errorf("Close: %v", err)
			}
			checkEnd(t, ended(t, ws, conn), c.Code, c.Reason)
			if code, _, ok := conn.PeerStatus(); !ok || code != c.Code {
				t.Errorf("ws answered with %d (%t), want %d", code, ok, c.Code)
			}
		})
	}
	t.Run("no code", func(t *testing.T) {
		conn, _ := dial(t, url, nil)
		if err := conn.Close(websocket.StatusNoStatus, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
		checkEnd(t, ended(t, ws, conn), websocket.StatusNoStatus, "")
	})
}

func TestClientIsClosed(t *testing.T) {
	ws := node.Shared(t, "server.js")
	for _, c := range closings {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "close", Code: c.Code, Reason: c.Reason}), nil)
			_, _, err := conn.Read(soon(t))
			checkClosed(t, err, c.Code, c.Reason)
			checkEnd(t, ended(t, ws, conn), c.Code, "")
		})
	}
	t.Run("no code", func(t *testing.T) {
		conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "close"}), nil)
		_, _, err := conn.Read(soon(t))
		checkClosed(t, err, websocket.StatusNoStatus, "")
		checkEnd(t, ended(t, ws, conn), websocket.StatusNoStatus, "")
	})
}

func TestClientLosesTheLine(t *testing.T) {
	ws := node.Shared(t, "server.js")
	conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "terminate"}), nil)
	_, _, err := conn.Read(soon(t))
	checkLost(t, conn, err)
}

func TestClientHangsUp(t *testing.T) {
	ws := node.Shared(t, "server.js")
	conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "listen"}), nil)
	conn.CloseNow()
	checkEnd(t, ended(t, ws, conn), websocket.StatusAbnormalClosure, "")
}

func TestClientRefusesMessages(t *testing.T) {
	ws := node.Shared(t, "server.js")
	const limit = 1000
	invalid := []byte("caf\xc3\x28")
	for _, c := range []struct {
		name    string
		mode    websocket.CompressionMode
		message message
		code    websocket.StatusCode
	}{
		{"too big", websocket.CompressionOff, message{make([]byte, limit+1), true}, websocket.StatusMessageTooBig},
		{"too big once inflated", websocket.CompressionTakeover, message{make([]byte, 1<<20), true}, websocket.StatusMessageTooBig},
		{"text that is not UTF-8", websocket.CompressionOff, message{invalid, false}, websocket.StatusInvalidPayload},
		{"compressed text that is not UTF-8", websocket.CompressionTakeover, message{invalid, false}, websocket.StatusInvalidPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := theirs(t, ws, listener{Behaviour: "say", Options: deflate(nil), Messages: []message{c.message}})
			conn, _ := dial(t, url, &websocket.DialOptions{
				Compression: websocket.Compression{Mode: c.mode},
				Limits:      websocket.Limits{Message: limit},
			})
			_, _, err := conn.Read(soon(t))
			checkViolation(t, err, c.code)
			if got := ended(t, ws, conn); got.Code != c.code || got.Reason == "" || got.Error != "" {
				t.Errorf("ws saw the end %+v, want code %d and a reason", got, c.code)
			}
		})
	}
}

func TestClientIsRefused(t *testing.T) {
	ws := node.Shared(t, "server.js")
	limited := deflate(nil)
	limited["maxPayload"] = 1000
	url := theirs(t, ws, listener{Behaviour: "listen", Options: limited})
	for _, c := range []struct {
		name    string
		mode    websocket.CompressionMode
		typ     websocket.MessageType
		payload []byte
		code    websocket.StatusCode
	}{
		{"message too big", websocket.CompressionOff, websocket.Binary, make([]byte, 1001), websocket.StatusMessageTooBig},
		{"message too big once inflated", websocket.CompressionTakeover, websocket.Binary, make([]byte, 1<<20), websocket.StatusMessageTooBig},
		{"text that is not UTF-8", websocket.CompressionOff, websocket.Text, []byte("caf\xc3\x28"), websocket.StatusInvalidPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := dial(t, url, &websocket.DialOptions{Compression: websocket.Compression{Mode: c.mode}})
			if err := conn.Write(soon(t), c.typ, c.payload); err != nil {
				t.Fatal(err)
			}
			_, _, err := conn.Read(soon(t))
			checkClosed(t, err, c.code, "")
			if got := ended(t, ws, conn); got.Error == "" {
				t.Errorf("ws saw the end %+v, want its error", got)
			}
		})
	}
}

func TestClientPings(t *testing.T) {
	ws := node.Shared(t, "server.js")
	conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "listen"}), nil)
	conn.CloseRead(soon(t))
	if took, err := conn.Ping(soon(t)); err != nil || took <= 0 {
		t.Errorf("Ping: %v, %v", took, err)
	}
}

func TestClientAnswersPings(t *testing.T) {
	ws := node.Shared(t, "server.js")
	conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "ping", Data: "are you there?"}), nil)
	checkNext(t, conn, websocket.Text, []byte("are you there?"))
}

// What a server says at once may share a segment with its answer to the handshake.
func TestClientIsSpokenTo(t *testing.T) {
	ws := node.Shared(t, "server.js")
	said := []message{{text(1000), false}, {binary(1000), true}, {nil, true}}
	conn, _ := dial(t, theirs(t, ws, listener{Behaviour: "say", Messages: said}), nil)
	checkNext(t, conn, websocket.Text, said[0].Base64)
	checkNext(t, conn, websocket.Binary, said[1].Base64)
	checkNext(t, conn, websocket.Binary, nil)
}
