//go:build linux

package pages

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// measures waits until a tab shows what a device measures, and whether it is heard now.
func (p *tab) measures(device, reading string, heard bool) {
	p.t.Helper()
	p.Until(`([device, reading, heard]) => {
		const gauge = [...document.querySelectorAll('.gauge')].find((gauge) => gauge.querySelector('h3').textContent === device);
		return gauge?.querySelector('.reading').innerText.replace(/\s+/g, ' ') === reading && gauge.classList.contains('silent') !== heard;
	}`, []any{device, reading, heard})
}

func TestDevicesAreSeenAndTheirSilenceIs(t *testing.T) {
	server, ann, bob := start(t, "/sensors/")
	ann.is("open")
	bob.is("open")
	body := `{"name": "Attic", "value": 21.5, "unit": "°C", "low": 10, "high": 35}`
	answer, err := http.Post("http://"+server.Addr+"/channels/demo:sensors?key=attic", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	ann.measures("Attic", "21.5 °C", true)
	bob.Until(`() => document.querySelectorAll('.gauge').length === 7`, nil)
	if dash := chromium.Value[string](ann.Tab, `() => {
		const gauge = [...document.querySelectorAll('.gauge')].find((gauge) => gauge.querySelector('h3').textContent === 'Attic');
		for (const animation of document.getAnimations()) animation.finish();
		return getComputedStyle(gauge.querySelector('.value')).strokeDasharray;
	}`, nil); dash != "46px, 200px" {
		t.Errorf("the gauge of 21.5 between 10 and 35 is a dash of %s, want 46 of a hundred", dash)
	}

	ann.Fill("#name", "Ann's")
	ann.Click("#measure")
	bob.measures("Ann's", "50 %", true)
	ann.Focus("#value")
	ann.Press("ArrowRight")
	bob.measures("Ann's", "51 %", true)
	ann.Shows("#receipt", "to 2 who listen")
	bob.measures("Attic", "21.5 °C", false)

	late := open(t, "late", server.Addr, "/sensors/")
	late.measures("Attic", "21.5 °C", false)
	late.measures("Ann's", "51 %", true)
	for _, p := range []*tab{ann, bob, late} {
		p.CheckQuiet()
	}
	checkFits(t, server, "/sensors/")
}
