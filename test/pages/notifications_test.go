//go:build linux

package pages

import "testing"

// sends sends a notification.
func (p *tab) sends(to, text string) {
	p.t.Helper()
	p.fill("#to", to)
	p.fill("#text", text)
	p.press("Enter")
}

// inbox waits until the inbox holds exactly these texts, the newest first.
func (p *tab) inbox(texts ...string) {
	p.t.Helper()
	p.until(`(texts) => JSON.stringify([...document.querySelectorAll('#inbox p')].map((p) => p.textContent)) === JSON.stringify(texts)`, texts)
}

func TestNotificationsComeWhileThePageIsOpenAndWhileItWasNot(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/notifications/")
	for p, name := range map[*tab]string{ann: "ann", bob: "bob"} {
		p.fill("#me", name)
		p.press("Tab")
		p.is("open")
	}
	ann.sends("bob", "one")
	bob.inbox("one")
	bob.shows("#toasts", "one")
	bob.shows("#badge", "1")
	bob.sends("ann", "thanks")
	ann.inbox("thanks")

	bob.do("go", args{"url": "http://" + server.Addr + "/plain"})
	ann.sends("bob", "two, while Bob is elsewhere")
	ann.shows("#sent", "it waits on the server")
	bob.do("back", nil)
	bob.inbox("two, while Bob is elsewhere", "one")
	bob.click("#read")
	bob.shows("#badge", "0")
	for _, p := range []*tab{ann, bob} {
		p.checkQuiet()
	}

	server.Kill()
	bob.is("waiting")
	server.Start()
	bob.is("open")
	ann.is("open")
	ann.sends("bob", "three")
	bob.inbox("three", "Something may be missing here.", "two, while Bob is elsewhere", "one")
	checkFits(t, server, ann.browser, "/notifications/")
}
