//go:build linux

package pages

import (
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// pointer is where a tab shows the pointer of somebody, in hundredths of the field.
const pointer = `(name) => {
	const one = [...document.querySelectorAll('.pointer')].find((p) => p.innerText.trim() === name);
	return one && ['--x', '--y'].map((axis) => Math.round(100 * Number(one.style.getPropertyValue(axis))));
}`

// at waits until a tab shows somebody's pointer at a place.
func (p *tab) at(name string, x, y int) {
	p.t.Helper()
	p.Until(`([name, x, y]) => { const at = (`+pointer+`)(name); return at && at[0] === x && at[1] === y; }`, []any{name, x, y})
}

func TestPointersAreSeenMoveAndGo(t *testing.T) {
	server, ann, bob := start(t, "/cursors/")
	ann.is("open")
	bob.is("open")
	ann.Fill("#name", "Ann")
	bob.Fill("#name", "Bob")
	ann.Shows("#people", "Ann, Bob")
	bob.Shows("#people", "Ann, Bob")

	box := chromium.Value[[]float64](ann.Tab, `() => { const { left, top, width, height } = document.getElementById('field').getBoundingClientRect(); return [left, top, width, height]; }`, nil)
	ann.Point(box[0]+box[2]/4, box[1]+box[3]/2)
	ann.at("Ann", 25, 50)
	bob.at("Ann", 25, 50)

	bob.Focus("#field")
	from := chromium.Value[[]int](bob.Tab, pointer, "Bob")
	for range 3 {
		bob.Press("ArrowRight")
	}
	bob.Press("ArrowUp")
	ann.at("Bob", from[0]+6, from[1]-2)

	late := open(t, "late", server.Addr, "/cursors/")
	late.at("Ann", 25, 50) // though she has not moved since
	bob.Close()
	ann.Until(`() => !document.getElementById('people').textContent.includes('Bob')`, nil)
	ann.CheckQuiet()
	late.CheckQuiet()
	checkFits(t, server, "/cursors/")
}
