//go:build linux

package pages

import "testing"

// sends sends a notification.
func (p *tab) sends(to, text string) {
	p.t.Helper()
	p.Fill("#to", to)
	p.Fill("#text", text)
	p.Press("Enter")
}

// inbox waits until the inbox holds exactly these texts, the newest first.
func (p *tab) inbox(texts ...string) {
	p.t.Helper()
	p.Until(`(texts) => JSON.stringify([...document.querySelectorAll('#inbox p')].map((p) => p.textContent)) === JSON.stringify(texts)`, texts)
}

func TestNotificationsComeWhileThePageIsOpenAndWhileItWasNot(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/notifications/")
	for p, name := range map[*tab]string{ann: "ann", bob: "bob"} {
		p.Fill("#me", name)
		p.Press("Tab")
		p.is("open")
	}
	ann.sends("bob", "one")
	bob.inbox("one")
	bob.Shows("#toasts", "one")
	bob.Shows("#badge", "1")
	bob.sends("ann", "thanks")
	ann.inbox("thanks")

	bob.Go("/plain")
	ann.sends("bob", "two, while Bob is elsewhere")
	ann.Shows("#sent", "it waits on the server")
	bob.Back()
	bob.inbox("two, while Bob is elsewhere", "one")
	bob.Click("#read")
	bob.Shows("#badge", "0")
	for _, p := range []*tab{ann, bob} {
		p.CheckQuiet()
	}

	server.Kill()
	bob.is("waiting")
	server.Start()
	bob.is("open")
	ann.is("open")
	ann.sends("bob", "three")
	bob.inbox("three", "Something may be missing here.", "two, while Bob is elsewhere", "one")
	checkFits(t, server, "/notifications/")
}
