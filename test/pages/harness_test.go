//go:build linux

package pages

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"testing"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the tests again when the server or a page has changed
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/web"
)

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if !web.Embedded().Built() {
		log.Print("the pages are not built; run `make pages`")
		return 1
	}
	folder, err := os.MkdirTemp("", "ringdown-pages")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "ringdown")
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, "../../cmd/ringdown")...).CombinedOutput(); err != nil {
		log.Printf("go build ringdown: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// args are arguments of a command of browser.js.
type args map[string]any

// browser is Chromium.
func browser(t *testing.T) *node.Peer {
	t.Helper()
	return node.Start(t, "browser.js", node.Chromium(t))
}

// tab is a page in Chromium, known to browser.js by its name. Functions are given as JavaScript source.
type tab struct {
	t       *testing.T
	browser *node.Peer
	name    string
	host    string
}

// open opens a page at a path of a host. context is what Playwright calls the options of a new context.
func open(t *testing.T, b *node.Peer, name, host, path string, context ...args) *tab {
	t.Helper()
	p := &tab{t, b, name, host}
	with := args{"name": name, "url": "http://" + host + path}
	if len(context) > 0 {
		with["context"] = context[0]
	}
	node.Do(t, b, "open", with)
	return p
}

// start starts a node, and opens two tabs of one of its pages.
func start(t *testing.T, path string) (server *servers.Ringdown, ann, bob *tab) {
	t.Helper()
	server = servers.StartRingdown(t, binary)
	b := browser(t)
	return server, open(t, b, "ann", server.Addr, path), open(t, b, "bob", server.Addr, path)
}

func (p *tab) do(command string, with args) {
	p.t.Helper()
	if with == nil {
		with = args{}
	}
	with["name"] = p.name
	node.Do(p.t, p.browser, command, with)
}

// until waits until a function of the argument returns what counts as true.
func (p *tab) until(check string, arg any) {
	p.t.Helper()
	p.do("until", args{"check": check, "arg": arg})
}

// shows waits until an element has a text in it.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.until(`([selector, text]) => document.querySelector(selector)?.innerText.includes(text)`, []string{selector, text})
}

// is waits until the lamp shows a state of the line.
func (p *tab) is(states ...string) {
	p.t.Helper()
	p.until(`(states) => states.includes(document.getElementById('state').dataset.state)`, states)
}

func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.do("fill", args{"selector": selector, "text": text})
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do("click", args{"selector": selector})
}

func (p *tab) press(key string) {
	p.t.Helper()
	p.do("press", args{"key": key})
}

// value evaluates a function of the argument.
func value[T any](p *tab, call string, arg any) T {
	p.t.Helper()
	return node.Call[T](p.t, p.browser, "evaluate", args{"name": p.name, "call": call, "arg": arg})
}

// checkQuiet checks that the page asked no other host for anything, and that nothing is on its console but what is expected.
func (p *tab) checkQuiet(expected ...string) {
	p.t.Helper()
	record := node.Call[struct{ Problems, Hosts []string }](p.t, p.browser, "record", args{"name": p.name})
	if !slices.Equal(record.Hosts, []string{p.host}) {
		p.t.Errorf("%s asked the hosts %q, want only %q", p.name, record.Hosts, p.host)
	}
	for _, problem := range record.Problems {
		if !slices.ContainsFunc(expected, func(e string) bool { return regexp.MustCompile(e).MatchString(problem) }) {
			p.t.Errorf("%s has on its console: %s", p.name, problem)
		}
	}
}

// checkFits opens a page on a phone, in the light and in the dark.
func checkFits(t *testing.T, server *servers.Ringdown, b *node.Peer, path string) {
	t.Helper()
	const width = 360 // CSS pixels
	backgrounds := map[string]string{}
	for _, scheme := range []string{"dark", "light"} {
		p := open(t, b, scheme, server.Addr, path, args{"viewport": args{"width": width, "height": 740}, "isMobile": true, "hasTouch": true, "colorScheme": scheme})
		picture := node.Call[struct {
			Width      int
			Background string
		}](t, b, "picture", args{"name": scheme, "path": filepath.Join(t.TempDir(), scheme+".png")})
		if picture.Width > width {
			t.Errorf("%s is %d pixels wide on a screen of %d", path, picture.Width, width)
		}
		backgrounds[picture.Background] = scheme
		p.checkQuiet()
		p.do("close", nil)
	}
	if len(backgrounds) != 2 {
		t.Errorf("%s looks the same in the light and in the dark: %s", path, fmt.Sprint(backgrounds))
	}
}
