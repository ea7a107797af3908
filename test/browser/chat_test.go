// Package browser lets Chromium talk in the chat of a real ringdown: pages in one browser, a program on a bare WebSocket,
// and a server that is killed under them.
package browser

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/test/node"
)

// page is a chat page in the browser, known to chat.js by its name.
type page struct {
	browser *node.Peer
	name    string
	host    string
}

// args are arguments of a command of chat.js.
type args map[string]any

func startBrowser(t *testing.T) *node.Peer {
	t.Helper()
	return node.Start(t, "chat.js", node.Chromium(t))
}

// open opens a page at a path of a host, checks its title and waits until its line is open. context is what Playwright
// calls the options of a new context; nil are the defaults.
func open(t *testing.T, browser *node.Peer, name, host, path string, context args) page {
	t.Helper()
	p := visit(t, browser, name, host, path, context)
	p.waitState(t, "open")
	node.Do(t, browser, "name", args{"name": name, "text": name})
	return p
}

// visit opens a page and checks its title.
func visit(t *testing.T, browser *node.Peer, name, host, path string, context args) page {
	t.Helper()
	p := page{browser, name, host}
	title := node.Call[string](t, browser, "open", args{"name": name, "url": "http://" + host + path, "context": context})
	if title != "Ringdown" {
		t.Errorf("the title is %q", title)
	}
	return p
}

// waitState waits until the page says that its line is in one of the states.
func (p page) waitState(t *testing.T, words ...string) {
	t.Helper()
	node.Do(t, p.browser, "state", args{"name": p.name, "words": words})
}

// waitNote waits until the page shows a note that holds text.
func (p page) waitNote(t *testing.T, text string) {
	t.Helper()
	node.Do(t, p.browser, "note", args{"name": p.name, "text": text})
}

// checkInvites checks whether the page invites to speak.
func (p page) checkInvites(t *testing.T, want bool) {
	t.Helper()
	if node.Call[bool](t, p.browser, "invites", args{"name": p.name}) != want {
		t.Errorf("%s invites to speak: %v, want %v", p.name, !want, want)
	}
}

// say types text and presses Enter.
func (p page) say(t *testing.T, text string) {
	t.Helper()
	node.Do(t, p.browser, "say", args{"name": p.name, "text": text})
}

// clickSend types text and clicks on the button.
func (p page) clickSend(t *testing.T, text string) {
	t.Helper()
	node.Do(t, p.browser, "say", args{"name": p.name, "text": text, "click": true})
}

// waitLog waits until the page shows exactly the messages with these texts, in this order.
func (p page) waitLog(t *testing.T, texts ...string) {
	t.Helper()
	node.Do(t, p.browser, "log", args{"name": p.name, "texts": texts})
}

// checkRecord checks that the page asked no other host for anything, and that nothing is on its console but what is
// expected; nil expects nothing.
func (p page) checkRecord(t *testing.T, expected *regexp.Regexp) {
	t.Helper()
	record := node.Call[struct{ Problems, Hosts []string }](t, p.browser, "record", args{"name": p.name})
	if !slices.Equal(record.Hosts, []string{p.host}) {
		t.Errorf("%s asked the hosts %q, want only %q", p.name, record.Hosts, p.host)
	}
	for _, problem := range record.Problems {
		if expected == nil || !expected.MatchString(problem) {
			t.Errorf("%s has on its console: %s", p.name, problem)
		}
	}
}

// textOf is what a chat message from a page says.
func textOf(t *testing.T, message string) string {
	t.Helper()
	var m struct{ Name, Text string }
	if err := json.Unmarshal([]byte(message), &m); err != nil || m.Name == "" {
		t.Fatalf("the message of a page is %q: %v", message, err)
	}
	return m.Text
}

func TestPagesTalk(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/", nil)
	bob := open(t, browser, "Bob", server.addr, "/?channel=lobby", nil)
	program := join(t, server.addr, "lobby")

	ada.clickSend(t, "hello Bob")
	if got := textOf(t, program.hear(t)); got != "hello Bob" {
		t.Errorf("the program heard %q", got)
	}
	bob.waitLog(t, "hello Bob")
	bob.say(t, "hello Ada, on 📞 線")
	if got := textOf(t, program.hear(t)); got != "hello Ada, on 📞 線" {
		t.Errorf("the program heard %q", got)
	}
	program.say(t, "hello from a program")
	said := []string{"hello Bob", "hello Ada, on 📞 線", "hello from a program"}
	ada.waitLog(t, said...)
	bob.waitLog(t, said...)

	t.Run("in one order, all at once", func(t *testing.T) {
		program.hear(t) // its own
		for i := range 10 {
			ada.say(t, fmt.Sprintf("a%d", i))
			bob.say(t, fmt.Sprintf("b%d", i))
		}
		for range 20 {
			said = append(said, textOf(t, program.hear(t)))
		}
		ada.waitLog(t, said...)
		bob.waitLog(t, said...)
	})

	t.Run("and markup stays text", func(t *testing.T) {
		const markup = `<b>bold</b> <img src="http://example.invalid/x.png" onerror="alert(1)"> <script>alert(2)</script>`
		ada.say(t, markup)
		program.say(t, markup)
		said = append(said, markup, markup)
		for _, p := range []page{ada, bob} {
			p.waitLog(t, said...)
			last := node.Call[struct {
				ID, Text string
				Elements int
			}](t, browser, "last", args{"name": p.name})
			if last.ID == "" || last.Elements > 0 {
				t.Errorf("%s shows %+v, want an entry with an id, and markup as text", p.name, last)
			}
		}
	})

	t.Run("each channel for itself", func(t *testing.T) {
		eve := open(t, browser, "Eve", server.addr, "/?channel=other", nil)
		fay := open(t, browser, "Fay", server.addr, "/#other", nil)
		eve.say(t, "only here")
		fay.waitLog(t, "only here")
		ada.say(t, "only there")
		said = append(said, "only there")
		bob.waitLog(t, said...)
		eve.waitLog(t, "only here")
		eve.checkRecord(t, nil)
		fay.checkRecord(t, nil)
	})

	ada.checkRecord(t, nil)
	bob.checkRecord(t, nil)
	program.CloseNow()
	server.stop(t)
	ada.waitState(t, "waiting", "connecting")
}

func TestPagesComeBack(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	network := newGate(t, server.addr)
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/", nil)
	bob := open(t, browser, "Bob", network.addr, "/", nil)
	ada.say(t, "before")
	bob.waitLog(t, "before")
	ada.checkRecord(t, nil)
	bob.checkRecord(t, nil)

	network.set(false) // so that Bob comes back when all others are there to hear him
	server.kill(t)
	ada.waitState(t, "waiting", "connecting")
	bob.waitState(t, "waiting", "connecting")
	bob.say(t, "while nobody is there")

	server = start(t, server.addr)
	program := join(t, server.addr, "lobby")
	ada.waitState(t, "open")
	network.set(true)
	bob.waitState(t, "open")
	bob.say(t, "after")

	for _, want := range []string{"while nobody is there", "after"} {
		if got := textOf(t, program.hear(t)); got != want {
			t.Errorf("the program heard %q, want %q", got, want)
		}
	}
	for _, p := range []page{ada, bob} {
		p.waitLog(t, "before", "while nobody is there", "after")
		p.checkRecord(t, regexp.MustCompile(`^WebSocket connection to 'ws://`+regexp.QuoteMeta(p.host)+`/channels/lobby' failed: `))
	}
	program.CloseNow()
	server.stop(t)
}

func TestPagesSayWhyAChannelCannotBeJoined(t *testing.T) {
	server := start(t, "127.0.0.1:0", "--max-connections", "1")
	browser := startBrowser(t)
	for name, path := range map[string]string{"U+200B": "/#a%E2%80%8Bb", "stands for a folder": "/#.."} {
		p := visit(t, browser, name, server.addr, path, nil)
		p.waitNote(t, name)
		p.waitState(t, "closed")
		p.checkInvites(t, false)
	}
	ada := open(t, browser, "Ada", server.addr, "/", nil)
	ada.checkInvites(t, true)
	bob := visit(t, browser, "Bob", server.addr, "/", nil)
	bob.waitNote(t, "no room for another connection")
	bob.waitState(t, "waiting", "connecting")
	bob.checkInvites(t, false)
	server.stop(t)
}

func TestPageFitsAPhoneInTheDark(t *testing.T) {
	const width = 360 // CSS pixels
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	type picture struct {
		Width      int
		Background string
		Composer   bool // the button to send is within the screen
	}
	phone := func(name, scheme string) picture {
		p := open(t, browser, name, server.addr, "/", args{
			"viewport":          args{"width": width, "height": 740},
			"deviceScaleFactor": 2, "isMobile": true, "hasTouch": true, "colorScheme": scheme,
		})
		texts := []string{fmt.Sprintf("%0300d", 7), "short", "https://example.invalid/" + fmt.Sprintf("%0200d", 9)}
		for i, text := range texts {
			p.say(t, text)
			p.waitLog(t, texts[:i+1]...)
		}
		return node.Call[picture](t, browser, "picture", args{"name": name, "path": filepath.Join(t.TempDir(), name+".png")})
	}
	dark, light := phone("Dark", "dark"), phone("Light", "light")
	if dark.Width > width || light.Width > width {
		t.Errorf("the page is %d (dark) and %d (light) pixels wide on a screen of %d", dark.Width, light.Width, width)
	}
	if !dark.Composer || !light.Composer {
		t.Error("the button to send is not on the screen")
	}
	if dark.Background == light.Background {
		t.Errorf("the page is %s in the dark and in the light", dark.Background)
	}
}
