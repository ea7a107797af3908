//go:build linux

package pages

import "testing"

// across is how far to the right a tab has somebody in the arena, in hundredths, or -1.
const across = `(number) => parseInt(document.querySelector('[data-number="' + number + '"] td:last-child')?.textContent ?? '-1')`

func TestWhatAPlayerSteersEverybodySees(t *testing.T) {
	server, ann, bob := start(t, "/game/")
	ann.is("open")
	bob.is("open")
	ann.until(`() => document.querySelector('.own')`, nil)
	number := value[string](ann, `() => document.querySelector('.own').dataset.number`, nil)
	ann.do("focus", args{"selector": "#arena"})
	ann.do("down", args{"key": "ArrowRight"})
	bob.until(`(number) => (`+across+`)(number) >= 90`, number)
	ann.do("up", args{"key": "ArrowRight"})
	ann.do("down", args{"key": "KeyA"})
	bob.until(`(number) => { const at = (`+across+`)(number); return at >= 0 && at < 85; }`, number)
	ann.until(`() => {
		const canvas = document.getElementById('arena');
		return canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
	}`, nil)
	ann.do("close", nil)
	bob.until(`(number) => (`+across+`)(number) === -1`, number)
	bob.checkQuiet()
	checkFits(t, server, bob.browser, "/game/")
}
