//go:build linux

package pages

import (
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
	"github.com/ringdown/ringdown/test/servers"
)

// says types a text in the chat.
func (p *tab) says(text string) {
	p.t.Helper()
	p.Fill("#text", text)
	p.Press("Enter")
}

// log waits until the room shows exactly these texts, settled, in this order.
func (p *tab) log(texts ...string) {
	p.t.Helper()
	p.Until(`(texts) => {
		const all = [...document.querySelectorAll('#log li')];
		return !all.some((li) => li.className.includes('pending')) && JSON.stringify(all.filter((li) => !li.classList.contains('gap')).map((li) => li.querySelector('p').textContent)) === JSON.stringify(texts);
	}`, texts)
}

func TestTheChatHasRoomsPeopleAndHistory(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/chat/")
	ann.is("open")
	bob.is("open")
	ann.Fill("#name", "Ann")
	ann.Press("Tab")
	bob.Shows("#people", "Ann")
	bob.Fill("#name", "Bob")
	bob.Press("Tab")
	ann.Shows("#people", "Ann, Bob")

	ann.says("hello Bob")
	bob.says("hello Ann, on 📞 線")
	bob.log("hello Bob", "hello Ann, on 📞 線")
	ann.log("hello Bob", "hello Ann, on 📞 線")

	ann.Click(`#rooms a[href="#random"]`)
	ann.Shows(`#rooms a[aria-current]`, "random")
	ann.says("only here")
	bob.Shows(`#rooms a[href="#random"] .unread`, "1")
	bob.Click(`#rooms a[href="#random"]`)
	bob.log("only here")
	bob.Fill("#room", "the big room")
	bob.Press("Enter")
	bob.Shows(`#rooms a[aria-current]`, "the big room")
	bob.says("who is here?")
	cyd := open(t, "cyd", server.Addr, "/chat/#the%20big%20room")
	cyd.log("who is here?")
	cyd.Shows("#people", "Bob")
	for _, p := range []*tab{ann, bob, cyd} {
		p.CheckQuiet()
	}
	checkFits(t, server, "/chat/")
}

// chatters are two tabs of the chat that have heard each other.
func chatters(t *testing.T) (server *servers.Ringdown, ann, bob *tab) {
	t.Helper()
	server, ann, bob = start(t, "/chat/")
	ann.is("open")
	bob.is("open")
	ann.says("first")
	bob.log("first")
	return server, ann, bob
}

// gaps is how many gaps the room marks.
func (p *tab) gaps() int {
	p.t.Helper()
	return chromium.Value[int](p.Tab, `() => document.querySelectorAll('#log .gap').length`, nil)
}

func TestTheChatSurvivesAKilledServer(t *testing.T) {
	t.Parallel()
	server, ann, bob := chatters(t)
	server.Kill()
	ann.is("waiting", "connecting")
	bob.is("waiting", "connecting")
	bob.says("while nobody is there")
	server.Start()
	ann.is("open")
	bob.is("open")
	ann.says("after")
	for _, p := range []*tab{ann, bob} {
		// Two who come back do so in any order, but what each says, all have once.
		p.Until(`(texts) => {
			const all = [...document.querySelectorAll('#log li:not(.gap, .pending) p')].map((p) => p.textContent);
			return all.length === 3 && all[0] === 'first' && all.slice(1).sort().join() === texts.sort().join();
		}`, []string{"after", "while nobody is there"})
		if n := p.gaps(); n != 1 {
			t.Errorf("%s marks %d gaps; the server has forgotten, which is one", p.Name, n)
		}
		p.CheckQuiet(`^WebSocket connection to 'ws://.*' failed`, `^Failed to load resource: net::ERR_CONNECTION_REFUSED`)
	}
}

func TestTheChatSurvivesAPausedServer(t *testing.T) {
	t.Parallel()
	server, ann, bob := chatters(t)
	server.Freeze()
	ann.says("into the silence")
	bob.says("me too")
	for _, p := range []*tab{ann, bob} {
		p.Run(`() => void dispatchEvent(new Event('online'))`, nil) // looks at the line at once
		p.is("waiting", "connecting")
	}
	server.Thaw()
	for _, p := range []*tab{ann, bob} {
		p.is("open")
		p.Until(`() => document.querySelectorAll('#log li:not(.pending)').length === 3`, nil)
	}
	ann.says("last")
	for _, p := range []*tab{ann, bob} {
		p.Until(`() => {
			const all = [...document.querySelectorAll('#log li:not(.gap, .pending) p')].map((p) => p.textContent);
			return all.slice().sort().join() === 'first,into the silence,last,me too' && all[0] === 'first' && all[3] === 'last';
		}`, nil)
		if n := p.gaps(); n != 0 {
			t.Errorf("%s marks %d gaps, and nothing was missing", p.Name, n)
		}
		p.CheckQuiet(`^WebSocket connection to 'ws://.*' failed`, `^Failed to load resource`)
	}
}

func TestTheChatIsNotFooledByAProxyThatEatsFrames(t *testing.T) {
	t.Parallel()
	server := servers.StartRingdown(t)
	eater := servers.StartEater(t, server.Addr)
	ann, bob := open(t, "ann", eater, "/chat/"), open(t, "bob", server.Addr, "/chat/")
	ann.is("open")
	bob.is("open")
	ann.Shows("#state", "sse")
	ann.says("hello from behind the proxy")
	bob.log("hello from behind the proxy")
	bob.says("hello")
	ann.log("hello from behind the proxy", "hello")
	ann.CheckQuiet()
	bob.CheckQuiet()
}

func TestTheChatMissesNothingOfflineAndInTheCache(t *testing.T) {
	t.Parallel()
	server := servers.StartRingdown(t)
	link := servers.NewLink(t, server.Addr)
	ann, bob := open(t, "ann", server.Addr, "/chat/"), open(t, "bob", link.Addr, "/chat/")
	ann.is("open")
	bob.is("open")

	bob.Cache("pagehide")
	bob.is("waiting")
	ann.says("while Bob's page sleeps")
	bob.Cache("pageshow")
	bob.log("while Bob's page sleeps")

	bob.Offline(true)
	link.Cut()
	bob.is("waiting", "connecting")
	ann.says("while Bob is offline")
	ann.log("while Bob's page sleeps", "while Bob is offline")
	bob.says("from Bob, who is offline")
	bob.Shows("#log .pending", "from Bob")
	link.Mend()
	bob.Offline(false)
	for _, p := range []*tab{ann, bob} {
		p.log("while Bob's page sleeps", "while Bob is offline", "from Bob, who is offline")
		if n := p.gaps(); n != 0 {
			t.Errorf("%s marks %d gaps, and nothing was missing", p.Name, n)
		}
	}
	ann.CheckQuiet()
	bob.CheckQuiet(`^WebSocket connection to 'ws://.*' failed`, `^Failed to load resource: net::ERR_INTERNET_DISCONNECTED`)
}
