//go:build linux

package console

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
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
	c := start(t)
	c.client("news")
	c.client("news").Close(1000, "")
	c.Shows(".line", "live")
	for _, v := range views {
		c.goes(v.at)
		c.Shows("h2", v.title)
		c.Shows("main", v.shows)
	}
	if text := chromium.Value[string](c.Tab, `() => document.body.innerText`, nil); strings.Contains(text, token) {
		t.Errorf("the configuration shows the console's token: %s", text)
	}
	c.CheckQuiet()
}

func TestTheTokenIsTakenOutOfTheAddressAndAskedForAgain(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.Shows(".line", "live")
	if shown := chromium.Value[string](c.Tab, `() => location.href + ' ' + history.length`, nil); shown != "http://"+c.server.Addr+at("/")+" 2" {
		t.Errorf("the address is %s", shown)
	}
	c.Reload()
	c.Shows(".line", "live")

	c.goes("token=this-is-another-token")
	c.Shows(".login [role=alert]", "This is not the console's token")
	c.Fill("input[name=token]", token)
	c.Press("Enter")
	c.Shows("h2", "Overview")
	c.Click("header button:last-child")
	c.Shows("h1", "The console")
	c.CheckQuiet("401")
}

func TestItIsUsedByKeyboard(t *testing.T) {
	t.Parallel()
	c := start(t)
	for range 3 {
		c.client("news")
	}
	c.client("chat:lobby")
	c.Shows(".line", "live")
	c.Press("Tab")
	focused := func(check string) {
		t.Helper()
		c.Until(`() => { const e = document.activeElement; return `+check+`; }`, nil)
	}
	focused(`e.matches('.skip')`)
	c.Press("Enter")
	focused(`e.matches('main')`)

	c.Press("3")
	c.Shows("tr.entry", "chat:lobby")
	focused(`e.innerText === 'Channels'`)
	c.Press("/")
	focused(`e.matches('[data-search]')`)
	c.Type("chat")
	c.Until(`() => document.querySelectorAll('tr.entry').length === 1 && location.hash.includes('pattern=chat')`, nil)
	c.Press("Escape")
	c.Until(`() => document.querySelectorAll('tr.entry').length === 2 && !location.hash.includes('pattern=chat')`, nil)

	c.Focus("tr.entry")
	c.Press("ArrowDown")
	focused(`e.matches('tr.entry:last-child')`)
	c.Press("ArrowDown", "ArrowUp", "Enter")
	c.Shows("h2", "news")
	focused(`e.innerText === 'news'`)
	c.Back()
	c.Shows("h2", "Channels")

	c.Press("?")
	c.Shows("dialog[open] h2", "Keys")
	c.Press("Escape")
	c.Until(`() => !document.querySelector('dialog')`, nil)
	c.CheckQuiet()
}

func TestItFitsAPhoneAndTheNight(t *testing.T) {
	const width = 360 // CSS pixels
	t.Parallel()
	c := start(t, chromium.Phone(width))
	c.client("news")
	c.client("news").Close(1000, "")
	for _, v := range views {
		c.goes(v.at)
		c.Shows("main", v.shows)
		c.CheckFits(width)
	}
	c.CheckLooks()
	c.CheckQuiet()
}
