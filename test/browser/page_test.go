//go:build linux

// A plain page in the browser.

package browser

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// page is a plain page in a tab.
type page struct {
	*chromium.Tab
	t *testing.T
}

// open opens the chat at a path of a host under a name, and waits until it is there under that name.
func open(t *testing.T, name, host, path string, options ...chromium.Args) page {
	t.Helper()
	p := visit(t, name, host, path, options...)
	p.is("open") // a line that is given up before it is open is noted on the console
	p.Fill("#name", name)
	p.Press("Enter")
	p.Shows("#people-line", name)
	return p
}

// visit opens a page and checks its title.
func visit(t *testing.T, name, host, path string, options ...chromium.Args) page {
	t.Helper()
	p := page{chromium.Open(t, name, host, path, options...), t}
	if title := chromium.Value[string](p.Tab, `() => document.title`, nil); !strings.HasPrefix(title, "Ringdown") {
		t.Errorf("the title is %q", title)
	}
	return p
}

// is waits until the page says that its line is in one of the states.
func (p page) is(words ...string) {
	p.t.Helper()
	p.Until(`(words) => words.some((word) => document.querySelector('#state').textContent.startsWith(word))`, words)
}

// invites waits until the page invites to speak, or does so no more.
func (p page) invites(want bool) {
	p.t.Helper()
	p.Until(`(want) => document.querySelector('#nothing-yet').checkVisibility() === want`, want)
}

// say types a text and presses Enter.
func (p page) say(text string) {
	p.t.Helper()
	p.Fill("#text", text)
	p.Press("Enter")
}

// log waits until the page shows exactly the messages with these texts, in this order.
func (p page) log(texts ...string) {
	p.t.Helper()
	p.Until(`(texts) => {
		const entries = [...document.querySelectorAll('#log li.message')].map((li) => li.innerText);
		return entries.length === texts.length && texts.every((text, i) => entries[i].includes(text));
	}`, texts)
}

// people waits until the page says who is here.
func (p page) people(line string) {
	p.t.Helper()
	p.Until(`(line) => document.querySelector('#people-line').textContent === line`, line)
}

// checkGaps checks how many gaps the page marks.
func (p page) checkGaps(want int) {
	p.t.Helper()
	if got := chromium.Value[int](p.Tab, `() => document.querySelectorAll('#log li.gap').length`, nil); got != want {
		p.t.Errorf("%s marks %d gaps, want %d", p.Name, got, want)
	}
}

// pane waits until a pane of the page of all clients shows exactly these messages, in this order.
func (p page) pane(id string, texts ...string) {
	p.t.Helper()
	p.Until(`([id, texts]) => JSON.stringify([...document.querySelectorAll('#' + id + ' li')].map((li) => li.textContent)) === JSON.stringify(texts)`, []any{id, texts})
}
