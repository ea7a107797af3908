//go:build linux

package console

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

func TestASessionIsWatchedAndDroppedAndSaysWhy(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	ann := c.client("news")
	c.goes("/sessions")
	c.click("tr.entry")
	c.shows("main", "Round trip")

	c.click("[data-testid=inspect]")
	c.shows(".inspector", "Waiting for a frame")
	if err := ann.Write(soon(t), websocket.Text, []byte(`{"hello":["from","ann"],"password":"12345"}`)); err != nil {
		t.Fatal(err)
	}
	c.shows(".inspector tr.entry", `{"hello":["from","ann"]`)
	c.click(".inspector tr.entry:has(.way.in)")
	c.shows(".inspector pre", "\n    \"ann\"\n")
	c.click(".inspector .payload button:last-child")
	c.shows(".inspector pre", "7b 22 68 65 6c 6c 6f 22")
	if text := value[string](c, `() => document.body.innerText`); strings.Contains(text, "12345") {
		t.Errorf("a password is shown: %s", text)
	}
	c.click("[data-testid=inspect]")

	c.click(".actions .danger")
	c.fill("dialog input[name=reason]", "go home, Ann")
	c.click("dialog .danger")
	c.shows(".gone", "Go home, Ann")
	c.shows(".gone .advice", "An operator, the API or the backend has ended it")
	c.hearsEnd(ann, "go home, Ann")

	lost := c.client("news") // which says no goodbye
	c.goes("/ended?find=network")
	c.shows("main", "Nothing was found")
	lost.CloseNow()
	c.click("tr.entry")
	c.shows(".ending .cause", "The line to the client broke")
	c.shows(".ending .advice", "proxy has a time-out")
	c.press("Escape")
	c.until(`() => !document.querySelector('.ending')`, nil)
	c.checkQuiet("404")
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
	c := start(t, nil)
	ann := c.client("news")
	c.goes("/channels/news")
	c.shows(".publish", "Publish")
	c.fill("textarea", "{ not JSON")
	c.click("input[value=json]")
	c.click(".publish button")
	c.shows(".said", "This is no JSON")
	c.fill("textarea", `{"n":0}`)
	c.click(".publish button")
	c.shows(".said", "Published as number 1, to 1 subscriber")
	c.hears(ann, `{"n":0}`)
	for range 59 {
		if err := ann.Write(soon(t), websocket.Text, []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	c.shows(".history tr.entry td", "60")
	c.click(".history button:text-is('Older')")
	c.shows(".history tr.entry:first-of-type td", "35")
	c.click(".history button:text-is('Older')")
	c.shows(".history tr.entry:last-of-type td", `{"n":0}`)
	c.click(".history button:text-is('Newer')")
	c.shows(".history tr.entry:first-of-type td", "35")
	c.click(".history button:text-is('Newest')")
	c.shows(".history tr.entry:first-of-type td", "60")
	c.checkQuiet()
}

func TestItFindsTheNodeAgainAndDrainsIt(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.shows(".line", "live")
	c.server.Kill()
	c.shows(".stale", "Not live.")
	c.shows(".trouble", "The node cannot be reached.")
	c.server.Start()
	c.shows(".line", "live")
	c.until(`() => !document.querySelector('.stale, .trouble')`, nil)

	ann := c.client("news")
	c.shows(".tile", "Sessions\n1")
	c.click(".actions .danger")
	c.shows("dialog", "1 session will be told to come back")
	c.press("Escape")
	c.click(".actions .danger")
	c.click("dialog .danger")
	c.hearsEnd(ann, "the server is shutting down")
	for end := time.Now().Add(30 * time.Second); ; {
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
	c.shows(".stale", "Not live.")
	c.checkQuiet("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")
}
