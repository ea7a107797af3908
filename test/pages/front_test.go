//go:build linux

package pages

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
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
	ann.Shows("#heard", "hello from curl")
	ann.Fill("#text", "hello from Ann")
	ann.Press("Enter")
	bob.Shows("#heard", "hello from Ann")
	ann.Shows("#curl", server.Addr)
	ann.CheckQuiet()
	bob.CheckQuiet()
	checkFits(t, server, "/")

	for _, link := range chromium.Value[[]string](ann.Tab, `() => [...document.querySelectorAll('.cards a')].map((a) => a.href)`, nil) {
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
