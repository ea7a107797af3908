//go:build linux

package pages

import (
	"testing"
)

// says types a text in the chat.
func (p *tab) says(text string) {
	p.t.Helper()
	p.fill("#text", text)
	p.press("Enter")
}

// log waits until the room shows exactly these texts, settled, in this order.
func (p *tab) log(texts ...string) {
	p.t.Helper()
	p.until(`(texts) => {
		const all = [...document.querySelectorAll('#log li')];
		return !all.some((li) => li.className.includes('pending')) && JSON.stringify(all.filter((li) => !li.classList.contains('gap')).map((li) => li.querySelector('p').textContent)) === JSON.stringify(texts);
	}`, texts)
}

func TestTheChatHasRoomsPeopleAndHistory(t *testing.T) {
	server, ann, bob := start(t, "/chat/")
	ann.is("open")
	bob.is("open")
	ann.fill("#name", "Ann")
	ann.press("Tab")
	bob.shows("#people", "Ann")
	bob.fill("#name", "Bob")
	bob.press("Tab")
	ann.shows("#people", "Ann, Bob")

	ann.says("hello Bob")
	bob.says("hello Ann, on 📞 線")
	bob.log("hello Bob", "hello Ann, on 📞 線")
	ann.log("hello Bob", "hello Ann, on 📞 線")

	ann.click(`#rooms a[href="#random"]`)
	ann.says("only here")
	bob.shows(`#rooms a[href="#random"] .unread`, "1")
	bob.click(`#rooms a[href="#random"]`)
	bob.log("only here")
	bob.fill("#room", "the big room")
	bob.press("Enter")
	bob.says("who is here?")
	cyd := open(t, ann.browser, "cyd", server.Addr, "/chat/#the%20big%20room")
	cyd.log("who is here?")
	cyd.shows("#people", "Bob")
	for _, p := range []*tab{ann, bob, cyd} {
		p.checkQuiet()
	}
	checkFits(t, server, ann.browser, "/chat/")
}
