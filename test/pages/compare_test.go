//go:build linux

package pages

import "testing"

func TestTheComparisonMeasuresFourWaysAndWhatTheyCost(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/compare/")
	ann.do("evaluate", args{"call": `() => { const every = document.getElementById('every'); every.value = '250'; every.dispatchEvent(new Event('change')); }`})
	for _, p := range []*tab{ann, bob} {
		p.until(`() => {
			const rows = [...document.querySelectorAll('#live tr')];
			return rows.length === 4 && rows.every((tr) => Number(tr.cells[1].textContent) > 0 && tr.cells[2].textContent.endsWith('ms'));
		}`, nil)
		p.until(`() => document.getElementById('words').textContent.includes('by WebSocket')`, nil)
	}
	bob.click("#pause")

	ann.fill("#clients", "3")
	ann.fill("#seconds", "1")
	ann.click("#measure")
	ann.until(`() => document.getElementById('cost-words').textContent.includes('With 3 clients')`, nil)
	if rows := value[int](ann, `() => document.querySelectorAll('#cost tr').length`, nil); rows != 5 {
		t.Errorf("the table of costs has %d rows, want 5", rows)
	}
	ann.checkQuiet()
	bob.checkQuiet()
	checkFits(t, server, ann.browser, "/compare/")
}
