//go:build linux

package pages

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheFrontPageHearsWhatCurlPublishes(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/")
	ann.is("open")
	bob.is("open")
	answer, err := http.Post("http://"+server.Addr+"/channels/news", "application/x-www-form-urlencoded", strings.NewReader("hello from curl"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	ann.shows("#heard", "hello from curl")
	ann.fill("#text", "hello from Ann")
	ann.press("Enter")
	bob.shows("#heard", "hello from Ann")
	ann.shows("#curl", server.Addr)
	ann.checkQuiet()
	bob.checkQuiet()
	checkFits(t, server, ann.browser, "/")

	for _, link := range value[[]string](ann, `() => [...document.querySelectorAll('.cards a')].map((a) => a.href)`, nil) {
		answer, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("the front page leads to %s, which is %s", link, answer.Status)
		}
	}
}
