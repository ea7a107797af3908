//go:build linux

// What is said on a plain page.

package browser

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
	"github.com/ringdown/ringdown/test/servers"
)

// width is that of a phone, in CSS pixels.
const width = 360

// inside tells whether nothing that is said reaches out of a page of a width.
const inside = `(width) => [...document.querySelectorAll('#log, #log *, header, section > :not(pre)')]
	.every((e) => Math.round(e.getBoundingClientRect().left) + e.scrollWidth <= width)`

func TestPagesTalk(t *testing.T) {
	server := servers.StartRingdown(t)
	ada := open(t, "Ada", server.Addr, "/plain")
	bob := open(t, "Bob", server.Addr, "/plain?channel=lobby")
	program := join(t, server.Addr, "lobby")

	ada.Fill("#text", "hello Bob")
	ada.Click("#send")
	if got := program.hear(t); got != "hello Bob" {
		t.Errorf("the program heard %q", got)
	}
	bob.log("hello Bob")
	bob.say("hello Ada, on 📞 線")
	if got := program.hear(t); got != "hello Ada, on 📞 線" {
		t.Errorf("the program heard %q", got)
	}
	program.say(t, "hello from a program")
	said := []string{"hello Bob", "hello Ada, on 📞 線", "hello from a program"}
	ada.log(said...)
	bob.log(said...)

	t.Run("in one order, all at once", func(t *testing.T) {
		program.hear(t) // its own
		for i := range 10 {
			ada.say(fmt.Sprintf("a%d", i))
			bob.say(fmt.Sprintf("b%d", i))
		}
		for range 20 {
			said = append(said, program.hear(t))
		}
		ada.log(said...)
		bob.log(said...)
	})

	t.Run("and markup stays text", func(t *testing.T) {
		const markup = `<b>bold</b> <img src="http://example.invalid/x.png" onerror="alert(1)"> <script>alert(2)</script>`
		ada.say(markup)
		program.say(t, markup)
		said = append(said, markup, markup)
		for _, p := range []page{ada, bob} {
			p.log(said...)
			last := chromium.Value[struct {
				ID       string
				Elements int
			}](p.Tab, `() => {
				const li = document.querySelector('#log li.message:last-of-type');
				return { id: li.dataset.id, elements: li.querySelectorAll('img, b, script').length };
			}`, nil)
			if last.ID == "" || last.Elements > 0 {
				t.Errorf("%s shows %+v, want an entry with an id, and markup as text", p.Name, last)
			}
		}
	})

	t.Run("each channel for itself", func(t *testing.T) {
		eve := open(t, "Eve", server.Addr, "/plain?channel=other")
		fay := open(t, "Fay", server.Addr, "/plain#other")
		eve.say("only here")
		fay.log("only here")
		ada.say("only there")
		said = append(said, "only there")
		bob.log(said...)
		eve.log("only here")
		eve.CheckQuiet()
		fay.CheckQuiet()
	})

	ada.CheckQuiet()
	bob.CheckQuiet()
	program.CloseNow()
	server.Stop()
	ada.is("waiting", "connecting")
}

func TestPagesComeBack(t *testing.T) {
	server := servers.StartRingdown(t)
	network := servers.NewLink(t, server.Addr)
	ada := open(t, "Ada", server.Addr, "/plain")
	bob := open(t, "Bob", network.Addr, "/plain")
	ada.say("before")
	bob.log("before")
	ada.CheckQuiet()
	bob.CheckQuiet()

	network.Cut() // so that Bob comes back when all others are there to hear him
	server.Kill()
	ada.is("waiting", "connecting")
	bob.is("waiting", "connecting")
	bob.say("while nobody is there")

	server.Start()
	program := join(t, server.Addr, "lobby")
	ada.is("open")
	network.Mend()
	bob.is("open")
	bob.say("after")

	for _, want := range []string{"while nobody is there", "after"} {
		if got := program.hear(t); got != want {
			t.Errorf("the program heard %q, want %q", got, want)
		}
	}
	for _, p := range []page{ada, bob} {
		p.log("before", "while nobody is there", "after")
		p.Until(`() => [...document.querySelectorAll('#log li.gap')].some((li) => li.previousElementSibling?.innerText.includes('before'))`, nil)
		p.checkGaps(1)
		p.CheckQuiet(`^WebSocket connection to 'ws://` + regexp.QuoteMeta(p.Host) + `/connect\?user=\w+' failed: `)
	}
	program.CloseNow()
	server.Stop()
}

func TestPagesCatchUp(t *testing.T) {
	server := servers.StartRingdown(t)
	network := servers.NewLink(t, server.Addr)
	ada := open(t, "Ada", server.Addr, "/plain")
	bob := open(t, "Bob", network.Addr, "/plain")
	bob.say("first")
	ada.log("first")

	network.Cut()
	bob.is("waiting", "connecting")
	ada.say("while Bob is away")
	bob.say("from Bob, who is away")
	network.Mend()
	bob.is("open")
	said := []string{"first", "while Bob is away", "from Bob, who is away"}
	ada.log(said...)
	bob.log(said...)
	bob.checkGaps(0)

	t.Run("and a page that is loaded again shows what was said, and by whom", func(t *testing.T) {
		bob.Reload()
		bob.log(said...)
		own := chromium.Value[[]string](bob.Tab, `() => [...document.querySelectorAll('#log li.own .body')].map((body) => body.innerText)`, nil)
		if !slices.Equal(own, []string{"first", "from Bob, who is away"}) {
			t.Errorf("Bob's own messages are %q", own)
		}
		bob.checkGaps(0)
	})
	server.Stop()
}

func TestPagesKnowWhoIsHere(t *testing.T) {
	server := servers.StartRingdown(t)
	ada := open(t, "Ada", server.Addr, "/plain")
	ada.people("1 here: Ada")
	bob := open(t, "Bob", server.Addr, "/plain")
	ada.people("2 here: Ada, Bob")
	bob.people("2 here: Ada, Bob")
	program := join(t, server.Addr, "lobby")
	ada.people("3 here: Ada, Bob, 1 without a name")
	program.CloseNow()
	bob.Close()
	ada.people("1 here: Ada")
	server.Stop()
}

func TestPageShowsWhatOtherClientsPublish(t *testing.T) {
	server := servers.StartRingdown(t)
	ada := open(t, "Ada", server.Addr, "/plain")
	url := "http://" + server.Addr + "/channels/lobby"
	post(t, url, "application/x-www-form-urlencoded", "hello from curl")
	post(t, url+"?event=price&key=AAPL&user=ticker", "application/json", `{"bid":231.5}`)
	post(t, url, "application/octet-stream", "\x00\x01\xff")
	publish := exec.CommandContext(t.Context(), servers.Binary(t), "publish", "lobby", "from a terminal", "--url", "http://"+server.Addr)
	if output, err := publish.CombinedOutput(); err != nil {
		t.Fatalf("ringdown publish: %v\n%s", err, output)
	}
	said := []string{"hello from curl", `"bid": 231.5`, "00 01 ff", "from a terminal"}
	ada.log(said...)
	ada.log("without a name", "ticker price AAPL JSON", "3 bytes", said[3])
	ada.CheckQuiet()
	server.Stop()
}

func TestEveryClientHearsTheSame(t *testing.T) {
	server := servers.StartRingdown(t)
	all := visit(t, "All", server.Addr, "/everyone#news")
	clients := []string{"socket", "events", "poll", "native", "socketio"}
	waitSubscribers(t, server, "news", len(clients)) // a poll is one only while it waits
	hear := func(texts ...string) {
		t.Helper()
		for _, id := range clients {
			all.pane(id, texts...)
		}
	}
	publish := func(text, kind string, named bool) {
		t.Helper()
		all.Fill("#message", text)
		all.Select("#kind", kind)
		all.Check("#named", named)
		all.Click("#publish button")
	}
	publish("hello", "text/plain", false)
	hear("hello")
	publish(`{"bid":231.5}`, "application/json", false)
	hear("hello", `{"bid":231.5}`)
	publish("17", "text/plain", true)
	for id, want := range map[string]string{"socket": "17", "events": "price 17", "poll": "price 17", "native": "price 17", "socketio": "price 17"} {
		all.pane(id, "hello", `{"bid":231.5}`, want)
	}
	for _, id := range clients {
		if code := chromium.Value[string](all.Tab, `(id) => document.querySelector('section:has(#' + id + ') code').textContent`, id); !strings.Contains(code, "export ") {
			t.Errorf("the code of %s is %q", id, code)
		}
	}
	all.CheckQuiet()

	t.Run("also on a phone", func(t *testing.T) {
		phone := visit(t, "Phone", server.Addr, "/everyone", chromium.Phone(width))
		phone.CheckFits(width)
		phone.Until(inside, width)
	})

	server.Kill()
	server.Start()
	waitSubscribers(t, server, "news", len(clients))
	post(t, "http://"+server.Addr+"/channels/news", "text/plain", "back")
	told := []string{"hello", `{"bid":231.5}`, "price 17", "gap something is missing here", "back"}
	for _, id := range []string{"events", "poll", "native"} { // those that hand a cursor back
		all.pane(id, told...)
	}
	all.pane("socketio", "hello", `{"bid":231.5}`, "price 17", "back")
	all.pane("socket", "hello", `{"bid":231.5}`, "17", "back")
	server.Stop()
}

func TestPagesSayWhyAChannelCannotBeJoined(t *testing.T) {
	server := servers.StartRingdown(t, "--max-connections", "1")
	for name, path := range map[string]string{"U+200B": "/plain#a%E2%80%8Bb", "stands for a folder": "/plain#.."} {
		p := visit(t, name, server.Addr, path)
		p.Shows("#log li.note", name)
		p.is("closed")
		p.invites(false)
	}
	ada := open(t, "Ada", server.Addr, "/plain")
	ada.invites(true)
	bob := visit(t, "Bob", server.Addr, "/plain")
	bob.Shows("#log li.note", "no room for another connection")
	bob.is("waiting", "connecting")
	bob.invites(false)
	server.Stop()
}

func TestPageFitsAPhoneInTheDark(t *testing.T) {
	server := servers.StartRingdown(t)
	p := open(t, "Ada", server.Addr, "/plain", chromium.Phone(width))
	texts := []string{fmt.Sprintf("%0300d", 7), "short", "https://example.invalid/" + fmt.Sprintf("%0200d", 9)}
	for i, text := range texts {
		p.say(text)
		p.log(texts[:i+1]...)
	}
	p.CheckLooks()
	p.CheckFits(width)
	p.Until(inside, width)
	p.Until(`() => document.querySelector('#send').getBoundingClientRect().bottom <= innerHeight`, nil)
}
