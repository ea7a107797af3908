//go:build linux

package pages

import (
	"log"
	"os"
	"testing"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the tests again when the server or a page has changed
	"github.com/ringdown/ringdown/test/chromium"
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/web"
)

func TestMain(m *testing.M) {
	if !web.Embedded().Built() {
		log.Fatal("the pages are not built; run `make pages`")
	}
	os.Exit(node.Run(m))
}

// tab is a page in Chromium.
type tab struct {
	*chromium.Tab
	t *testing.T
}

// open opens a page at a path of a host.
func open(t *testing.T, name, host, path string) *tab {
	t.Helper()
	return &tab{chromium.Open(t, name, host, path), t}
}

// start starts a node, and opens two tabs of one of its pages.
func start(t *testing.T, path string) (server *servers.Ringdown, ann, bob *tab) {
	t.Helper()
	server = servers.StartRingdown(t)
	return server, open(t, "ann", server.Addr, path), open(t, "bob", server.Addr, path)
}

// is waits until the lamp shows a state of the line.
func (p *tab) is(states ...string) {
	p.t.Helper()
	p.Until(`(states) => states.includes(document.getElementById('state').dataset.state)`, states)
}

// checkFits opens a page on a phone, in the light and in the dark.
func checkFits(t *testing.T, server *servers.Ringdown, path string) {
	t.Helper()
	const width = 360 // CSS pixels
	p := chromium.Open(t, "phone", server.Addr, path, chromium.Phone(width))
	p.CheckFits(width)
	p.CheckLooks()
	p.CheckFits(width)
	p.CheckQuiet()
	p.Close()
}
