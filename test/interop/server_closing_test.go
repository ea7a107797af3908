// How connections between ws as client and our server end, and how they are kept alive.

package interop

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

// closings are ends that either side may begin.
var closings = []struct {
	name   string
	Code   websocket.StatusCode
	Reason string
}{
	{"normal closure", websocket.StatusNormalClosure, ""},
	{"normal closure with a reason", websocket.StatusNormalClosure, "goodbye"},
	{"going away", websocket.StatusGoingAway, "the page is left"},
	{"code of a library", 3000, "over"},
	{"code of an application", 4999, "Läutwerk 📞"},
	{"longest reason", 4000, strings.Repeat("r", 123)},
}

// ending is what ws shall do to end a connection.
type ending struct {
	URL    string               `json:"url"`
	Code   websocket.StatusCode `json:"code"`
	Reason string               `json:"reason"`
}

func TestServerIsClosed(t *testing.T) {
	ws := node.Shared(t, "client.js")
	read := make(chan error, 1)
	url := ours(t, func(c *websocket.Conn) {
		_, _, err := c.Read(soon(t))
		read <- err
	}, nil)
	for _, c := range closings {
		t.Run(c.name, func(t *testing.T) {
			got := node.Call[end](t, ws, "close", ending{url, c.Code, c.Reason})
			checkEnd(t, got, c.Code, "")
			checkClosed(t, <-read, c.Code, c.Reason)
		})
	}
	t.Run("no code", func(t *testing.T) {
		got := node.Call[end](t, ws, "close", ending{URL: url})
		checkEnd(t, got, websocket.StatusNoStatus, "")
		checkClosed(t, <-read, websocket.StatusNoStatus, "")
	})
}

func TestServerCloses(t *testing.T) {
	ws := node.Shared(t, "client.js")
	for _, c := range closings {
		t.Run(c.name, func(t *testing.T) {
			closed := make(chan error, 1)
			url := ours(t, func(conn *websocket.Conn) { closed <- conn.Close(c.Code, c.Reason) }, nil)
			checkEnd(t, node.Call[end](t, ws, "closed", ending{URL: url}), c.Code, c.Reason)
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestServerLosesTheLine(t *testing.T) {
	ws := node.Shared(t, "client.js")
	lost := make(chan struct{})
	url := ours(t, func(c *websocket.Conn) {
		_, _, err := c.Read(soon(t))
		checkLost(t, c, err)
		close(lost)
	}, nil)
	node.Do(t, ws, "terminate", ending{URL: url})
	<-lost
}

func TestServerHangsUp(t *testing.T) {
	ws := node.Shared(t, "client.js")
	url := ours(t, func(c *websocket.Conn) { c.CloseNow() }, nil)
	checkEnd(t, node.Call[end](t, ws, "closed", ending{URL: url}), websocket.StatusAbnormalClosure, "")
}

func TestServerRefusesMessages(t *testing.T) {
	ws := node.Shared(t, "client.js")
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
		{"text that ends within a character", websocket.CompressionOff, message{invalid[:4], false}, websocket.StatusInvalidPayload},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := make(chan error, 1)
			url := ours(t, func(conn *websocket.Conn) {
				_, _, err := conn.Read(soon(t))
				read <- err
			}, &websocket.AcceptOptions{
				Compression: websocket.Compression{Mode: c.mode},
				Limits:      websocket.Limits{Message: limit},
			})
			got := node.Call[end](t, ws, "closed", map[string]any{"url": url, "options": deflate(nil), "message": c.message})
			if got.Code != c.code || got.Reason == "" || got.Error != "" {
				t.Errorf("ws saw the end %+v, want code %d and a reason", got, c.code)
			}
			checkViolation(t, <-read, c.code)
		})
	}
}

func TestServerAnswersPings(t *testing.T) {
	ws := node.Shared(t, "client.js")
	url := ours(t, echo(t), nil)
	for _, data := range []string{"", "are you there?", strings.Repeat("p", 125)} {
		if pong := node.Call[string](t, ws, "ping", map[string]any{"url": url, "data": data}); pong != data {
			t.Errorf("ping %q was answered by %q", data, pong)
		}
	}
}

func TestServerPings(t *testing.T) {
	ws := node.Shared(t, "client.js")
	pinged := make(chan error, 1)
	url := ours(t, func(c *websocket.Conn) {
		c.CloseRead(soon(t))
		_, err := c.Ping(soon(t))
		pinged <- err
	}, nil)
	checkEnd(t, node.Call[end](t, ws, "closed", ending{URL: url}), websocket.StatusNormalClosure, "")
	if err := <-pinged; err != nil {
		t.Errorf("Ping: %v", err)
	}
}

// What a server says at once may share a segment with its answer to the handshake.
func TestServerSpeaksFirst(t *testing.T) {
	ws := node.Shared(t, "client.js")
	url := ours(t, func(c *websocket.Conn) {
		w, err := c.Writer(soon(t), websocket.Text)
		if err != nil {
			t.Error(err)
			return
		}
		for range 3 {
			w.Write(bytes.Repeat([]byte("hello "), 1000))
		}
		w.Close()
		c.WritePrepared(soon(t), websocket.Prepare(websocket.Text, []byte("world")))
	}, &websocket.AcceptOptions{Compression: websocket.Compression{Mode: websocket.CompressionTakeover}})
	got := node.Call[struct {
		Messages []string `json:"messages"`
		End      end      `json:"end"`
	}](t, ws, "hear", map[string]any{"url": url, "options": deflate(nil), "messages": 2})
	if want := strings.Repeat("hello ", 3000); got.Messages[0] != want || got.Messages[1] != "world" {
		t.Errorf("ws heard %.80q", got.Messages)
	}
	checkEnd(t, got.End, websocket.StatusNormalClosure, "")
}
