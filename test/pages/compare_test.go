//go:build linux

package pages

import (
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

func TestTheComparisonMeasuresFourWaysAndWhatTheyCost(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/compare/")
	ann.Run(`() => { const every = document.getElementById('every'); every.value = '250'; every.dispatchEvent(new Event('change')); }`, nil)
	for _, p := range []*tab{ann, bob} {
		p.Until(`() => {
			const rows = [...document.querySelectorAll('#live tr')];
			return rows.length === 4 && rows.every((tr) => Number(tr.cells[1].textContent) > 0 && tr.cells[2].textContent.endsWith('ms'));
		}`, nil)
		p.Until(`() => document.getElementById('words').textContent.includes('by WebSocket')`, nil)
	}
	bob.Click("#pause")

	ann.Fill("#clients", "3")
	ann.Fill("#seconds", "1")
	ann.Click("#measure")
	ann.Until(`() => document.getElementById('cost-words').textContent.includes('With 3 clients')`, nil)
	if rows := chromium.Value[int](ann.Tab, `() => document.querySelectorAll('#cost tr').length`, nil); rows != 5 {
		t.Errorf("the table of costs has %d rows, want 5", rows)
	}
	ann.CheckQuiet()
	bob.CheckQuiet()
	checkFits(t, server, "/compare/")
}
