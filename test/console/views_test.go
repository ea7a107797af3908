//go:build linux

package console

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/node"
)

// views are where one can go, and what is there.
var views = []struct{ at, title, shows string }{
	{"/", "Overview", "Connections"},
	{"/nodes", "Nodes", "this one"},
	{"/channels", "Channels", "news"},
	{"/channels/news", "news", "History"},
	{"/sessions", "Sessions", "WebSocket"},
	{"/ended", "Why did it drop?", "client"},
	{"/log", "Log", "listening"},
	{"/config", "Configuration", "console.token"},
}

func TestEveryViewOpens(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.client("news")
	c.client("news").Close(1000, "")
	c.shows(".line", "live")
	for _, v := range views {
		c.goes(v.at)
		c.shows("h2", v.title)
		c.shows("main", v.shows)
	}
	if text := value[string](c, `() => document.body.innerText`); strings.Contains(text, token) {
		t.Errorf("the configuration shows the console's token: %s", text)
	}
	c.checkQuiet()
}

func TestTheTokenIsTakenOutOfTheAddressAndAskedForAgain(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.shows(".line", "live")
	if at := value[string](c, `() => location.href + ' ' + history.length`); at != c.at("/")+" 2" {
		t.Errorf("the address is %s", at)
	}
	c.do("reload", args{})
	c.shows(".line", "live")

	c.goes("token=this-is-another-token")
	c.shows(".login [role=alert]", "This is not the console's token")
	c.fill("input[name=token]", token)
	c.press("Enter")
	c.shows("h2", "Overview")
	c.click("header button:last-child")
	c.shows("h1", "The console")
	c.checkQuiet("401")
}

func TestItIsUsedByKeyboard(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	for range 3 {
		c.client("news")
	}
	c.client("chat:lobby")
	c.shows(".line", "live")
	c.press("Tab")
	focused := func(check string) {
		t.Helper()
		c.until(`() => { const e = document.activeElement; return `+check+`; }`, nil)
	}
	focused(`e.matches('.skip')`)
	c.press("Enter")
	focused(`e.matches('main')`)

	c.press("3")
	c.shows("tr.entry", "chat:lobby")
	focused(`e.innerText === 'Channels'`)
	c.press("/")
	focused(`e.matches('[data-search]')`)
	c.do("type", args{"text": "chat"})
	c.until(`() => document.querySelectorAll('tr.entry').length === 1 && location.hash.includes('pattern=chat')`, nil)
	c.press("Escape")
	c.until(`() => document.querySelectorAll('tr.entry').length === 2 && !location.hash.includes('pattern=chat')`, nil)

	c.do("focus", args{"selector": "tr.entry"})
	c.press("ArrowDown")
	focused(`e.matches('tr.entry:last-child')`)
	c.press("ArrowDown", "ArrowUp", "Enter")
	c.shows("h2", "news")
	focused(`e.innerText === 'news'`)
	c.do("back", args{})
	c.shows("h2", "Channels")

	c.press("?")
	c.shows("dialog[open] h2", "Keys")
	c.press("Escape")
	c.until(`() => !document.querySelector('dialog')`, nil)
	c.checkQuiet()
}

func TestItFitsAPhoneAndTheNight(t *testing.T) {
	const width = 360 // CSS pixels
	t.Parallel()
	c := start(t, args{"viewport": args{"width": width, "height": 740}, "isMobile": true, "hasTouch": true, "colorScheme": "dark"})
	c.client("news")
	c.client("news").Close(1000, "")
	type picture struct {
		Width      int
		Background string
	}
	backgrounds := map[string]bool{}
	shoot := func(name string) {
		got := node.Call[picture](t, c.browser, "picture", args{"name": name, "path": filepath.Join(t.TempDir(), name+".png")})
		backgrounds[got.Background] = true
		if name == "console" && got.Width > width {
			t.Errorf("%s is %d pixels wide on a screen of %d", value[string](c, `() => location.hash`), got.Width, width)
		}
	}
	for _, v := range views {
		c.goes(v.at)
		c.shows("main", v.shows)
		shoot("console")
	}
	node.Do(t, c.browser, "open", args{"name": "light", "url": c.at("/"), "context": args{"colorScheme": "light"}})
	shoot("light")
	if len(backgrounds) != 2 {
		t.Errorf("the backgrounds are %v, want one of the night and one of the day", backgrounds)
	}
	c.checkQuiet()
}
