//go:build linux

package pages

import "testing"

// pointer is where a tab shows the pointer of somebody, in hundredths of the field.
const pointer = `(name) => {
	const one = [...document.querySelectorAll('.pointer')].find((p) => p.innerText.trim() === name);
	return one && ['--x', '--y'].map((axis) => Math.round(100 * Number(one.style.getPropertyValue(axis))));
}`

// at waits until a tab shows somebody's pointer at a place.
func (p *tab) at(name string, x, y int) {
	p.t.Helper()
	p.until(`([name, x, y]) => { const at = (`+pointer+`)(name); return at && at[0] === x && at[1] === y; }`, []any{name, x, y})
}

func TestPointersAreSeenMoveAndGo(t *testing.T) {
	server, ann, bob := start(t, "/cursors/")
	ann.is("open")
	bob.is("open")
	ann.fill("#name", "Ann")
	bob.fill("#name", "Bob")
	ann.shows("#people", "Ann, Bob")
	bob.shows("#people", "Ann, Bob")

	box := value[[]float64](ann, `() => { const { left, top, width, height } = document.getElementById('field').getBoundingClientRect(); return [left, top, width, height]; }`, nil)
	ann.do("mouse", args{"x": box[0] + box[2]/4, "y": box[1] + box[3]/2})
	ann.at("Ann", 25, 50)
	bob.at("Ann", 25, 50)

	bob.do("focus", args{"selector": "#field"})
	from := value[[]int](bob, pointer, "Bob")
	for range 3 {
		bob.press("ArrowRight")
	}
	bob.press("ArrowUp")
	ann.at("Bob", from[0]+6, from[1]-2)

	late := open(t, ann.browser, "late", server.Addr, "/cursors/")
	late.at("Ann", 25, 50) // though she has not moved since
	bob.do("close", nil)
	ann.until(`() => !document.getElementById('people').textContent.includes('Bob')`, nil)
	ann.checkQuiet()
	late.checkQuiet()
	checkFits(t, server, ann.browser, "/cursors/")
}
