//go:build linux

package pages

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// goals publishes goals of a match of our own, up to so many.
func goals(t *testing.T, host string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		body := fmt.Sprintf(`{"match": 7, "home": "Us", "away": "Them", "goals": [%d, 0], "minute": %d, "state": "first half", "player": "Ann", "side": 0}`, n, n)
		answer, err := http.Post("http://"+host+"/channels/demo:scores?event=goal", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatal(answer.Status)
		}
	}
}

// goalsOf waits until a tab tells of exactly the first so many goals of our match, each once, in order, with nothing missing.
func (p *tab) goalsOf(n int) {
	p.t.Helper()
	p.Until(`(n) => {
		const told = [...document.querySelectorAll('#events .goal')].map((li) => li.textContent).filter((text) => text.includes('Us ')).reverse();
		return told.length === n && told.every((text, i) => text.includes('Us ' + (i + 1) + '–0 Them')) && document.getElementById('account').dataset.missing === '0';
	}`, n)
}

func TestScoresLoseNothingWhileTheLineIsHungUp(t *testing.T) {
	server, ann, bob := start(t, "/scores/")
	ann.is("open")
	bob.is("open")
	ann.Until(`() => document.querySelectorAll('.match').length === 6`, nil)
	goals(t, server.Addr, 1, 3)
	ann.goalsOf(3)
	bob.goalsOf(3)
	bob.Click("#hang")
	bob.is("waiting")
	goals(t, server.Addr, 4, 9)
	ann.goalsOf(9)
	bob.Click("#hang")
	bob.is("open")
	bob.goalsOf(9)
	bob.Shows("#caught", "came first")

	late := open(t, "late", server.Addr, "/scores/")
	late.goalsOf(9)
	late.Until(`() => document.querySelectorAll('.match').length >= 6`, nil)
	for _, p := range []*tab{ann, bob, late} {
		p.CheckQuiet()
	}
	checkFits(t, server, "/scores/")
}
