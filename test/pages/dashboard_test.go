//go:build linux

package pages

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// prices publishes prices of a share of our own, of which the last is the one given.
func prices(t *testing.T, host string, last int) {
	t.Helper()
	for price := last - 19; price <= last; price++ {
		body := fmt.Sprintf(`{"price": %d, "change": 1, "volume": 5}`, price)
		answer, err := http.Post("http://"+host+"/channels/demo:prices?key=TEST", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatal(answer.Status)
		}
	}
}

func TestTheDashboardLeavesOutOldPricesForASlowReader(t *testing.T) {
	server, ann, bob := start(t, "/dashboard/")
	ann.is("open")
	bob.is("open")
	ann.Until(`() => document.querySelectorAll('#ticker tr').length >= 30 && Number(document.getElementById('orders').textContent) > 0`, nil)
	bob.Click("#slow")
	const number = `(id) => Number(document.getElementById(id).textContent.replaceAll(',', ''))`
	bob.Until(`() => (`+number+`)('skipped') > 100`, nil)
	prices(t, server.Addr, 120)
	for _, p := range []*tab{ann, bob} {
		p.Shows(`[data-symbol="TEST"] .price`, "120.00")
	}
	if came := chromium.Value[int](bob.Tab, `() => document.querySelector('[data-symbol="TEST"] polyline').getAttribute('points').split(' ').length`, nil); came >= 20 {
		t.Errorf("Bob, who reads slowly, got %d of 20 prices", came)
	}
	if skipped := chromium.Value[int](ann.Tab, number, "skipped"); skipped != 0 {
		t.Errorf("Ann, who keeps up, missed %d", skipped)
	}
	bob.Click("#slow")
	bob.Shows("#state", "open")
	prices(t, server.Addr, 140)
	bob.Shows(`[data-symbol="TEST"] .price`, "140.00")
	ann.CheckQuiet()
	bob.CheckQuiet()
	checkFits(t, server, "/dashboard/")
}
