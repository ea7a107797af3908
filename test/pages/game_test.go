//go:build linux

package pages

import (
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// across is how far to the right a tab has somebody in the arena, in hundredths, or -1.
const across = `(number) => parseInt(document.querySelector('[data-number="' + number + '"] td:last-child')?.textContent ?? '-1')`

func TestWhatAPlayerSteersEverybodySees(t *testing.T) {
	server, ann, bob := start(t, "/game/")
	ann.is("open")
	bob.is("open")
	ann.Until(`() => document.querySelector('.own')`, nil)
	number := chromium.Value[string](ann.Tab, `() => document.querySelector('.own').dataset.number`, nil)
	ann.Focus("#arena")
	ann.Hold("ArrowRight")
	bob.Until(`(number) => (`+across+`)(number) >= 90`, number)
	ann.Release("ArrowRight")
	ann.Hold("KeyA")
	bob.Until(`(number) => { const at = (`+across+`)(number); return at >= 0 && at < 85; }`, number)
	ann.Until(`() => {
		const canvas = document.getElementById('arena');
		return canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
	}`, nil)
	ann.Close()
	bob.Until(`(number) => (`+across+`)(number) === -1`, number)
	bob.CheckQuiet()
	checkFits(t, server, "/game/")
}
