//go:build linux

package console

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/chromium"
	"github.com/ringdown/ringdown/websocket"
)

func TestASessionIsWatchedAndDroppedAndSaysWhy(t *testing.T) {
	t.Parallel()
	c := start(t)
	ann := c.client("news")
	c.goes("/sessions")
	c.Click("tr.entry")
	c.Shows("main", "Round trip")

	c.Click("[data-testid=inspect]")
	c.Shows(".inspector", "Waiting for a frame")
	if err := ann.Write(soon(t), websocket.Text, []byte(`{"hello":["from","ann"],"password":"12345"}`)); err != nil {
		t.Fatal(err)
	}
	c.Shows(".inspector tr.entry", `{"hello":["from","ann"]`)
	c.Click(".inspector tr.entry:has(.way.in)")
	c.Shows(".inspector pre", "\n    \"ann\"\n")
	c.Click(".inspector .payload button:last-child")
	c.Shows(".inspector pre", "7b 22 68 65 6c 6c 6f 22")
	if text := chromium.Value[string](c.Tab, `() => document.body.innerText`, nil); strings.Contains(text, "12345") {
		t.Errorf("a password is shown: %s", text)
	}
	c.Click("[data-testid=inspect]")

	c.Click(".actions .danger")
	c.Fill("dialog input[name=reason]", "go home, Ann")
	c.Click("dialog .danger")
	c.Shows(".gone", "Go home, Ann")
	c.Shows(".gone .advice", "An operator, the API or the backend has ended it")
	c.hearsEnd(ann, "go home, Ann")

	lost := c.client("news") // which says no goodbye
	c.goes("/ended?find=network")
	c.Shows("main", "Nothing was found")
	lost.CloseNow()
	c.Click("tr.entry")
	c.Shows(".ending .cause", "The line to the client broke")
	c.Shows(".ending .advice", "proxy has a time-out")
	c.Press("Escape")
	c.Until(`() => !document.querySelector('.ending')`, nil)
	c.CheckQuiet("404")
}

// hearsEnd waits for the end of a connection.
func (c *console) hearsEnd(conn *websocket.Conn, reason string) {
	c.t.Helper()
	for {
		if _, _, err := conn.Read(soon(c.t)); err != nil {
			if code, said, ok := conn.PeerStatus(); !ok || !strings.HasPrefix(said, reason) {
				c.t.Errorf("the client heard %d %q, and %v", code, said, err)
			}
			return
		}
	}
}

func TestWhatIsPublishedArrivesAndIsKept(t *testing.T) {
	t.Parallel()
	c := start(t)
	ann := c.client("news")
	c.goes("/channels/news")
	c.Shows(".publish", "Publish")
	c.Fill("textarea", "{ not JSON")
	c.Click("input[value=json]")
	c.Click(".publish button")
	c.Shows(".said", "This is no JSON")
	c.Fill("textarea", `{"n":0}`)
	c.Click(".publish button")
	c.Shows(".said", "Published as number 1, to 1 subscriber")
	c.hears(ann, `{"n":0}`)
	for range 59 {
		if err := ann.Write(soon(t), websocket.Text, []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	c.Shows(".history tr.entry td", "60")
	c.Click(".history button:text-is('Older')")
	c.Shows(".history tr.entry:first-of-type td", "35")
	c.Click(".history button:text-is('Older')")
	c.Shows(".history tr.entry:last-of-type td", `{"n":0}`)
	c.Click(".history button:text-is('Newer')")
	c.Shows(".history tr.entry:first-of-type td", "35")
	c.Click(".history button:text-is('Newest')")
	c.Shows(".history tr.entry:first-of-type td", "60")
	c.CheckQuiet()
}

func TestItFindsTheNodeAgainAndDrainsIt(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.Shows(".line", "live")
	c.server.Kill()
	c.Shows(".stale", "Not live.")
	c.Shows(".trouble", "The node cannot be reached.")
	c.server.Start()
	c.Shows(".line", "live")
	c.Until(`() => !document.querySelector('.stale, .trouble')`, nil)

	ann := c.client("news")
	c.Shows(".tile", "Sessions\n1")
	c.Click(".actions .danger")
	c.Shows("dialog", "1 session will be told to come back")
	c.Press("Escape")
	c.Click(".actions .danger")
	c.Click("dialog .danger")
	c.hearsEnd(ann, "the server is shutting down")
	for end := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", c.server.Addr)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("the node is still there after it was drained")
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.Shows(".stale", "Not live.")
	c.CheckQuiet("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")
}
