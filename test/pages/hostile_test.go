//go:build linux

// What anybody may publish into the channels of the pages in dev mode: what is not expected there, and too much of it.

package pages

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// publish publishes as another program would.
func (p *tab) publish(channel, media, payload string) {
	p.t.Helper()
	answer, err := http.Post("http://"+p.Host+"/channels/"+url.PathEscape(channel), media, strings.NewReader(payload))
	if err != nil {
		p.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		p.t.Fatalf("publishing into %s: %s", channel, answer.Status)
	}
}

// publishJunk publishes what no page expects.
func (p *tab) publishJunk(channel string) {
	p.t.Helper()
	for _, value := range []string{`null`, `1`, `"x"`, `[]`, `{}`, `{"kind":5,"text":{"a":1}}`, `{"sent":"x"}`, `{"id":null}`,
		`{"id":7,"name":{"b":1},"at":{"type":5}}`, `{"id":-1.5,"name":"<img src=x onerror=alert(1)>","at":null,"session":1}`} {
		p.publish(channel, "application/json", value)
	}
	p.publish(channel, "text/plain", "<script>alert(1)</script>")
	for _, bytes := range []string{"", "\x00", "\x00\xff\xff", "\x01", "\x01\xff\xff\xff", "\x02", "\x02aaaa\x01\x01\x00", "\x02aaaa\x00\x01\x02", "\xff"} {
		p.publish(channel, "application/octet-stream", bytes)
	}
}

func TestPagesBearWhatTheyDoNotExpect(t *testing.T) {
	t.Parallel()
	_, ann, bob := start(t, "/notifications/")
	ann.is("open")
	bob.is("open")
	ann.publishJunk("inbox:you")
	ann.publish("inbox:you", "application/json", `{"kind":"info","text":"`+strings.Repeat("long ", 10_000)+`"}`)
	ann.sends("you", "still there")
	ann.Shows("#inbox", "still there")
	if n := chromium.Value[int](ann.Tab, `() => Math.max(...[...document.querySelectorAll('#inbox p')].map((p) => p.textContent.length))`, nil); n > 500 {
		t.Errorf("an inbox holds a text of %d characters", n)
	}
	ann.Until(`() => document.querySelectorAll('#toasts li').length <= 5`, nil)

	bob.Go("/compare/")
	const counts = `() => [...document.querySelectorAll('#live tr')].map((tr) => Number(tr.cells[1].textContent))`
	bob.Until(`() => (`+counts+`)().length === 4 && (`+counts+`)().every((n) => n > 2)`, nil)
	bob.publishJunk("demo:compare")
	before := chromium.Value[[]int](bob.Tab, counts, nil)
	bob.Until(`(before) => (`+counts+`)().every((n, way) => n > before[way] + 15)`, before)

	for _, p := range []*tab{ann, bob} {
		p.CheckQuiet()
	}
}

func TestTheEditorBearsWhatItDoesNotExpect(t *testing.T) {
	t.Parallel()
	_, ann, bob := start(t, "/editor/#junk")
	ann.is("open")
	bob.is("open")
	ann.types(0, "before")
	bob.text("before")
	ann.publishJunk("editor:junk")
	ann.publishJunk("editor:junk:cursors")
	for id := range 300 {
		ann.publish("editor:junk:cursors", "application/json", fmt.Sprintf(`{"id":%d,"name":"%s","at":null,"session":"s"}`, id, bytes.Repeat([]byte("N"), 1000)))
	}
	ann.types(6, " and after")
	bob.text("before and after")
	bob.Until(`() => document.querySelectorAll('.caret').length === 50`, nil)
	ann.CheckQuiet()
	bob.CheckQuiet()
}

func TestTheEditorTakesMoreThanOneMessageHolds(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/editor/#long")
	ann.is("open")
	bob.is("open")
	const long = `() => (document.getElementById('area').value = document.getElementById('area').value.padEnd(150_000, 'long ')) && document.getElementById('area').dispatchEvent(new InputEvent('input'))`
	ann.Run(long, nil)
	const length = `(n) => document.getElementById('area').value.length === n`
	bob.Until(length, 150_000)
	bob.types(0, "so ")
	ann.Until(length, 150_003)
	server.Kill()
	server.Start() // and has forgotten the text
	ann.is("open")
	bob.is("open")
	late := open(t, "late", server.Addr, "/editor/#long")
	late.Until(length, 150_003)
	late.CheckQuiet()
}

func TestTheChatBearsAFlood(t *testing.T) {
	t.Parallel()
	_, ann, bob := start(t, "/chat/")
	ann.is("open")
	bob.is("open")
	ann.publishJunk("lobby")
	const most = 1000
	var posting sync.WaitGroup
	for from := range 20 {
		posting.Go(func() {
			for n := from; n < most; n += 20 {
				answer, err := http.Post("http://"+bob.Host+"/channels/lobby", "text/plain", strings.NewReader(fmt.Sprint("flood ", n)))
				if err != nil {
					t.Error(err)
					return
				}
				answer.Body.Close()
			}
		})
	}
	posting.Wait()
	bob.says("the end")
	const last = `() => document.querySelector('#log li:last-child p')?.textContent === 'the end' && !document.querySelector('#log .pending')`
	ann.Until(last, nil)
	bob.Until(last, nil)
	for _, p := range []*tab{ann, bob} {
		ids := chromium.Value[[]string](p.Tab, `() => [...document.querySelectorAll('#log li:not(.gap)')].map((li) => li.dataset.id)`, nil)
		seen := map[string]bool{}
		for _, id := range ids {
			if seen[id] {
				t.Errorf("%s shows %s twice", p.Name, id)
			}
			seen[id] = true
		}
		if len(ids) < 400 {
			t.Errorf("%s shows %d messages", p.Name, len(ids))
		}
		p.CheckQuiet()
	}
}

func TestTheChatKeepsRoomsApartWhileTheLineIsDown(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/chat/")
	ann.is("open")
	bob.is("open")
	server.Kill()
	ann.is("waiting", "connecting")
	ann.says("for the lobby")
	ann.Click(`#rooms a[href="#random"]`)
	ann.says("for random")
	const waiting = `(text) => [...document.querySelectorAll('#log .pending p')].map((p) => p.textContent).join() === text`
	ann.Until(waiting, "for random")
	ann.Click(`#rooms a[href="#lobby"]`)
	ann.Until(waiting, "for the lobby")
	ann.Click(`#rooms a[href="#random"]`)
	ann.Until(waiting, "for random")
	server.Start()
	ann.Until(`() => document.querySelectorAll('#log .message').length === 1`, nil)
	ann.Shows("#log", "for random")
	bob.Shows("#log", "for the lobby")
}

func TestTheChatTakesAnyName(t *testing.T) {
	t.Parallel()
	_, ann, bob := start(t, "/chat/")
	for entered, shown := range map[string]string{"  Ann \u200b ": "Ann", "Ann\u00a0M\u202eller": "Ann M ller"} {
		ann.Fill("#name", entered)
		ann.Press("Tab")
		ann.Until(`(name) => document.getElementById('name').value === name`, shown)
		bob.Shows("#people", shown)
		ann.is("open")
	}
	ann.CheckQuiet()
}
