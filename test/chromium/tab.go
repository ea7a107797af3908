// A tab: what a person could do in it, and could see.

package chromium

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/test/node"
)

// Args are the arguments of a command of browser.js, and the options of a tab.
type Args map[string]any

// Tab is a page in the browser, in a profile of its own. Functions are given as JavaScript source. Whatever does not work or does not come
// true fails the test. A tab may be used from the goroutine of its test only.
type Tab struct {
	Name string // as its test calls it
	Host string // the only one that its page is to ask for anything

	t       testing.TB
	browser *node.Peer
	key     string // its name among the tabs of all tests
	closed  bool
}

var opened atomic.Int64

// Open opens a page at a path of a host, until the end of the test or Close. options are what Playwright calls those of a new context.
func Open(t testing.TB, name, host, path string, options ...Args) *Tab {
	t.Helper()
	p := &Tab{Name: name, Host: host, t: t, browser: driver(t), key: fmt.Sprintf("%s (%s, %d)", name, t.Name(), opened.Add(1))}
	with := Args{"url": "http://" + host + path}
	if len(options) > 0 {
		with["context"] = options[0]
	}
	t.Cleanup(p.Close)
	p.do("open", with)
	return p
}

// Close closes the tab and its profile. Closing it twice is once.
func (p *Tab) Close() {
	p.t.Helper()
	if p.closed {
		return
	}
	p.closed = true
	if _, err := p.browser.Call(context.WithoutCancel(p.t.Context()), "close", Args{"name": p.key}); err != nil {
		p.t.Errorf("closing the tab %s: %v", p.Name, err)
	}
}

func (p *Tab) do(command string, with Args) { call[any](p, command, with) }

func call[T any](p *Tab, command string, with Args) T {
	p.t.Helper()
	with["name"] = p.key
	return node.Call[T](p.t, p.browser, command, with)
}

// Until waits until a function of the argument returns what counts as true.
func (p *Tab) Until(check string, arg any) {
	p.t.Helper()
	p.do("until", Args{"check": check, "arg": arg})
}

// Shows waits until an element that a selector means has a text in it.
func (p *Tab) Shows(selector, text string) {
	p.t.Helper()
	p.Until(`([selector, text]) => [...document.querySelectorAll(selector)].some((e) => e.innerText.includes(text))`, []string{selector, text})
}

// Value evaluates a function of the argument.
func Value[T any](p *Tab, function string, arg any) T {
	p.t.Helper()
	return call[T](p, "evaluate", Args{"call": function, "arg": arg})
}

// Run evaluates a function of the argument that has no result.
func (p *Tab) Run(function string, arg any) {
	p.t.Helper()
	Value[any](p, function, arg)
}

// Fill sets the text of a field.
func (p *Tab) Fill(selector, text string) {
	p.t.Helper()
	p.do("fill", Args{"selector": selector, "text": text})
}

// Select chooses an option by its value.
func (p *Tab) Select(selector, option string) {
	p.t.Helper()
	p.do("select", Args{"selector": selector, "option": option})
}

// Check ticks a box, or takes the tick away.
func (p *Tab) Check(selector string, checked bool) {
	p.t.Helper()
	p.do("check", Args{"selector": selector, "checked": checked})
}

// Click clicks on an element.
func (p *Tab) Click(selector string) {
	p.t.Helper()
	p.do("click", Args{"selector": selector})
}

// Focus gives an element the focus.
func (p *Tab) Focus(selector string) {
	p.t.Helper()
	p.do("focus", Args{"selector": selector})
}

// Press presses keys, one after the other.
func (p *Tab) Press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		p.do("press", Args{"key": key})
	}
}

// Hold presses a key and does not let go of it.
func (p *Tab) Hold(key string) {
	p.t.Helper()
	p.do("down", Args{"key": key})
}

// Release lets go of a key.
func (p *Tab) Release(key string) {
	p.t.Helper()
	p.do("up", Args{"key": key})
}

// Type types a text where the focus is.
func (p *Tab) Type(text string) {
	p.t.Helper()
	p.do("type", Args{"text": text})
}

// Point moves the mouse, to CSS pixels of the window.
func (p *Tab) Point(x, y float64) {
	p.t.Helper()
	p.do("mouse", Args{"x": x, "y": y})
}

// Go opens another page of the host.
func (p *Tab) Go(path string) {
	p.t.Helper()
	p.do("go", Args{"url": "http://" + p.Host + path})
}

// Back goes back to the page before.
func (p *Tab) Back() {
	p.t.Helper()
	p.do("back", Args{})
}

// Reload loads the page again.
func (p *Tab) Reload() {
	p.t.Helper()
	p.do("reload", Args{})
}

// Offline takes the network away from the tab, or gives it back.
func (p *Tab) Offline(offline bool) {
	p.t.Helper()
	p.do("offline", Args{"offline": offline})
}

// Cache tells the page what a browser tells one that goes into the back-forward cache ("pagehide") or comes out of it ("pageshow").
func (p *Tab) Cache(event string) {
	p.t.Helper()
	p.do("cache", Args{"event": event})
}

// Phone are the options of a tab on a phone of so many CSS pixels across.
func Phone(width int) Args {
	return Args{"viewport": Args{"width": width, "height": 740}, "isMobile": true, "hasTouch": true}
}

// CheckLooks checks that the page differs between day and night.
func (p *Tab) CheckLooks() {
	p.t.Helper()
	background := func(scheme string) string {
		p.do("scheme", Args{"scheme": scheme})
		return Value[string](p, `() => getComputedStyle(document.body).backgroundColor`, nil)
	}
	if dark, light := background("dark"), background("light"); dark == light {
		p.t.Errorf("%s is %s in the dark and in the light", p.Name, dark)
	}
}

// CheckFits checks that the page is not wider than so many CSS pixels.
func (p *Tab) CheckFits(width int) {
	p.t.Helper()
	if got := Value[int](p, `() => document.documentElement.scrollWidth`, nil); got > width {
		p.t.Errorf("%s is %d pixels wide on a screen of %d", Value[string](p, `() => location.href`, nil), got, width)
	}
}

// CheckQuiet checks that the page asked no other host for anything, and that nothing is on its console but what is expected, as regular
// expressions.
func (p *Tab) CheckQuiet(expected ...string) {
	p.t.Helper()
	record := call[struct{ Problems, Hosts []string }](p, "record", Args{})
	if !slices.Equal(record.Hosts, []string{p.Host}) {
		p.t.Errorf("%s asked the hosts %q, want only %q", p.Name, record.Hosts, p.Host)
	}
	for _, problem := range record.Problems {
		if !slices.ContainsFunc(expected, func(e string) bool { return regexp.MustCompile(e).MatchString(problem) }) {
			p.t.Errorf("%s has on its console: %s", p.Name, problem)
		}
	}
}
