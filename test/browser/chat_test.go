// Package browser lets Chromium talk through the pages of a real ringdown: pages in one browser, programs beside them on other
// transports, and a server that is killed under them.
package browser

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	node.Do(t, browser, "name", args{"name": name, "text": name})
	p.waitState(t, "open")
	return p
}

// visit opens a page and checks its title.
func visit(t *testing.T, browser *node.Peer, name, host, path string, context args) page {
	t.Helper()
	p := page{browser, name, host}
	title := node.Call[string](t, browser, "open", args{"name": name, "url": "http://" + host + path, "context": context})
	if !strings.HasPrefix(title, "Ringdown") {
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

// waitPeople waits until the page says who is here.
func (p page) waitPeople(t *testing.T, line string) {
	t.Helper()
	node.Do(t, p.browser, "people", args{"name": p.name, "line": line})
}

// checkGaps checks how many gaps the page marks.
func (p page) checkGaps(t *testing.T, want int) {
	t.Helper()
	if got := node.Call[int](t, p.browser, "gaps", args{"name": p.name}); got != want {
		t.Errorf("%s marks %d gaps, want %d", p.name, got, want)
	}
}

// renamed is what Chromium notes when somebody has another name before the line of the first one was open.
var renamed = regexp.MustCompile("WebSocket is closed before the connection is established")

func TestPagesTalk(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	bob := open(t, browser, "Bob", server.addr, "/plain?channel=lobby", nil)
	program := join(t, server.addr, "lobby")

	ada.clickSend(t, "hello Bob")
	if got := program.hear(t); got != "hello Bob" {
		t.Errorf("the program heard %q", got)
	}
	bob.waitLog(t, "hello Bob")
	bob.say(t, "hello Ada, on 📞 線")
	if got := program.hear(t); got != "hello Ada, on 📞 線" {
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
			said = append(said, program.hear(t))
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
		eve := open(t, browser, "Eve", server.addr, "/plain?channel=other", nil)
		fay := open(t, browser, "Fay", server.addr, "/plain#other", nil)
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
	bob.checkRecord(t, renamed)
	program.CloseNow()
	server.stop(t)
	ada.waitState(t, "waiting", "connecting")
}

func TestPagesComeBack(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	network := newGate(t, server.addr)
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	bob := open(t, browser, "Bob", network.addr, "/plain", nil)
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
		if got := program.hear(t); got != want {
			t.Errorf("the program heard %q, want %q", got, want)
		}
	}
	for _, p := range []page{ada, bob} {
		p.waitLog(t, "before", "while nobody is there", "after")
		node.Do(t, browser, "gap", args{"name": p.name, "after": "before"})
		p.checkGaps(t, 1)
		p.checkRecord(t, regexp.MustCompile(`^WebSocket connection to 'ws://`+regexp.QuoteMeta(p.host)+`/connect\?user=\w+' failed: `))
	}
	program.CloseNow()
	server.stop(t)
}

func TestPagesCatchUp(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	network := newGate(t, server.addr)
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	bob := open(t, browser, "Bob", network.addr, "/plain", nil)
	bob.say(t, "first")
	ada.waitLog(t, "first")

	network.set(false)
	network.cut()
	bob.waitState(t, "waiting", "connecting")
	ada.say(t, "while Bob is away")
	bob.say(t, "from Bob, who is away")
	network.set(true)
	bob.waitState(t, "open")
	said := []string{"first", "while Bob is away", "from Bob, who is away"}
	ada.waitLog(t, said...)
	bob.waitLog(t, said...)
	bob.checkGaps(t, 0)

	t.Run("and a page that is loaded again shows what was said, and by whom", func(t *testing.T) {
		node.Do(t, browser, "reload", args{"name": "Bob"})
		bob.waitLog(t, said...)
		own := node.Call[[]string](t, browser, "own", args{"name": "Bob"})
		if !slices.Equal(own, []string{"first", "from Bob, who is away"}) {
			t.Errorf("Bob's own messages are %q", own)
		}
		bob.checkGaps(t, 0)
	})
	server.stop(t)
}

func TestPagesKnowWhoIsHere(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	ada.waitPeople(t, "1 here: Ada")
	bob := open(t, browser, "Bob", server.addr, "/plain", nil)
	ada.waitPeople(t, "2 here: Ada, Bob")
	bob.waitPeople(t, "2 here: Ada, Bob")
	program := join(t, server.addr, "lobby")
	ada.waitPeople(t, "3 here: Ada, Bob, 1 without a name")
	program.CloseNow()
	node.Do(t, browser, "close", args{"name": "Bob"})
	ada.waitPeople(t, "1 here: Ada")
	server.stop(t)
}

func TestPageShowsWhatOtherClientsPublish(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	url := "http://" + server.addr + "/channels/lobby"
	server.post(t, url, "application/x-www-form-urlencoded", "hello from curl")
	server.post(t, url+"?event=price&key=AAPL&user=ticker", "application/json", `{"bid":231.5}`)
	server.post(t, url, "application/octet-stream", "\x00\x01\xff")
	publish := exec.CommandContext(t.Context(), binary, "publish", "lobby", "from a terminal", "--url", "http://"+server.addr)
	if output, err := publish.CombinedOutput(); err != nil {
		t.Fatalf("ringdown publish: %v\n%s", err, output)
	}
	said := []string{"hello from curl", `"bid": 231.5`, "00 01 ff", "from a terminal"}
	ada.waitLog(t, said...)
	ada.waitLog(t, "without a name", "ticker price AAPL JSON", "3 bytes", said[3])
	ada.checkRecord(t, nil)
	server.stop(t)
}

func TestEveryClientHearsTheSame(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	browser := startBrowser(t)
	all := visit(t, browser, "All", server.addr, "/everyone#news", nil)
	clients := []string{"socket", "events", "poll", "native", "socketio"}
	server.waitSubscribers(t, "news", len(clients)) // a poll is one only while it waits
	hear := func(texts ...string) {
		t.Helper()
		for _, id := range clients {
			node.Do(t, browser, "pane", args{"name": "All", "id": id, "texts": texts})
		}
	}
	publish := func(text, kind string, named bool) {
		t.Helper()
		node.Do(t, browser, "publish", args{"name": "All", "text": text, "kind": kind, "named": named})
	}
	publish("hello", "text/plain", false)
	hear("hello")
	publish(`{"bid":231.5}`, "application/json", false)
	hear("hello", `{"bid":231.5}`)
	publish("17", "text/plain", true)
	for id, want := range map[string]string{"socket": "17", "events": "price 17", "poll": "price 17", "native": "price 17", "socketio": "price 17"} {
		node.Do(t, browser, "pane", args{"name": "All", "id": id, "texts": []string{"hello", `{"bid":231.5}`, want}})
	}
	for _, id := range clients {
		if code := node.Call[string](t, browser, "code", args{"name": "All", "id": id}); !strings.Contains(code, "export ") {
			t.Errorf("the code of %s is %q", id, code)
		}
	}
	all.checkRecord(t, nil)

	t.Run("also on a phone", func(t *testing.T) {
		const width = 360 // CSS pixels
		visit(t, browser, "Phone", server.addr, "/everyone", args{"viewport": args{"width": width, "height": 740}, "isMobile": true, "hasTouch": true})
		picture := node.Call[struct{ Width int }](t, browser, "picture", args{"name": "Phone", "path": filepath.Join(t.TempDir(), "phone.png")})
		if picture.Width > width {
			t.Errorf("the page is %d pixels wide on a screen of %d", picture.Width, width)
		}
		node.Do(t, browser, "close", args{"name": "Phone"})
	})

	server.kill(t)
	server = start(t, server.addr)
	server.waitSubscribers(t, "news", len(clients))
	server.post(t, "http://"+server.addr+"/channels/news", "text/plain", "back")
	told := []string{"hello", `{"bid":231.5}`, "price 17", "gap something is missing here", "back"}
	for _, id := range []string{"events", "poll", "native"} { // those that hand a cursor back
		node.Do(t, browser, "pane", args{"name": "All", "id": id, "texts": told})
	}
	node.Do(t, browser, "pane", args{"name": "All", "id": "socketio", "texts": []string{"hello", `{"bid":231.5}`, "price 17", "back"}})
	node.Do(t, browser, "pane", args{"name": "All", "id": "socket", "texts": []string{"hello", `{"bid":231.5}`, "17", "back"}})
	server.stop(t)
}

func TestPagesSayWhyAChannelCannotBeJoined(t *testing.T) {
	server := start(t, "127.0.0.1:0", "--max-connections", "1")
	browser := startBrowser(t)
	for name, path := range map[string]string{"U+200B": "/plain#a%E2%80%8Bb", "stands for a folder": "/plain#.."} {
		p := visit(t, browser, name, server.addr, path, nil)
		p.waitNote(t, name)
		p.waitState(t, "closed")
		p.checkInvites(t, false)
	}
	ada := open(t, browser, "Ada", server.addr, "/plain", nil)
	ada.checkInvites(t, true)
	bob := visit(t, browser, "Bob", server.addr, "/plain", nil)
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
		p := open(t, browser, name, server.addr, "/plain#"+name, args{
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
