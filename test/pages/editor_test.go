//go:build linux

package pages

import (
	"testing"

	"github.com/ringdown/ringdown/test/chromium"
)

// text waits until the editor shows exactly a text.
func (p *tab) text(text string) {
	p.t.Helper()
	p.Until(`(text) => document.getElementById('area').value === text`, text)
}

// types sets the caret, and types a text there.
func (p *tab) types(at int, text string) {
	p.t.Helper()
	p.Focus("#area")
	p.Run(`(at) => document.getElementById('area').setSelectionRange(at, at)`, at)
	p.Type(text)
}

func TestTheEditorMergesWhatTwoType(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/editor/")
	ann.is("open")
	bob.is("open")
	ann.types(0, "the quick fox")
	bob.text("the quick fox")
	bob.types(9, " brown")
	ann.text("the quick brown fox")
	if caret := chromium.Value[int](ann.Tab, `() => document.getElementById('area').selectionEnd`, nil); caret != len("the quick brown fox") {
		t.Errorf("Ann's caret is at %d: it did not stay behind her own text", caret)
	}
	ann.Until(`() => document.querySelectorAll('.caret').length === 1`, nil)

	ann.types(19, " 📞")
	bob.text("the quick brown fox 📞")
	ann.Press("Backspace")
	ann.Type("📟") // half of it is that of the other
	bob.text("the quick brown fox 📟")
	ann.Press("Control+z")
	bob.Until(`() => !document.getElementById('area').value.includes('📟') && document.getElementById('area').value.includes('brown')`, nil)

	for _, p := range []*tab{ann, bob} {
		p.CheckQuiet()
	}
	checkFits(t, server, "/editor/")
}

func TestTheEditorMergesWhatWasTypedApartAndWhatTheServerForgot(t *testing.T) {
	t.Parallel()
	server, ann, bob := start(t, "/editor/#plans")
	ann.is("open")
	bob.is("open")
	ann.types(0, "start end")
	bob.text("start end")

	server.Kill()
	ann.is("waiting", "connecting")
	bob.is("waiting", "connecting")
	ann.types(5, " Ann")
	bob.types(9, " Bob")
	server.Start() // and has forgotten the text
	ann.text("start Ann end Bob")
	bob.text("start Ann end Bob")

	late := open(t, "late", server.Addr, "/editor/#plans") // hears from the others what the server does not know
	late.text("start Ann end Bob")
	late.CheckQuiet()
	refused := []string{`^WebSocket connection to 'ws://.*' failed`, `^Failed to load resource: net::ERR_CONNECTION_REFUSED`}
	ann.CheckQuiet(refused...)
	bob.CheckQuiet(refused...)
}

// TestTheEditorConverges has two edit at random places at once, with undo among it.
func TestTheEditorConverges(t *testing.T) {
	t.Parallel()
	_, ann, bob := start(t, "/editor/#storm")
	ann.is("open")
	bob.is("open")
	const edit = `(seed) => {
		let state = seed;
		const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
		const area = document.getElementById('area');
		let left = 150;
		const timer = setInterval(() => {
			if (left-- === 0) {
				clearInterval(timer);
				document.body.dataset.finished = 'yes';
				return;
			}
			if (random(10) === 0) {
				area.dispatchEvent(new InputEvent('beforeinput', { inputType: random(2) ? 'historyUndo' : 'historyRedo', cancelable: true }));
				return;
			}
			const whole = (at) => at - (/[\udc00-\udfff]/.test(area.value[at] ?? '') ? 1 : 0); // nobody's caret stands within a character
			const from = whole(random(area.value.length + 1)), to = whole(Math.min(area.value.length, from + random(4)));
			area.setRangeText(['', 'a', 'aa', 'b', '\n', '📞', '📟'][random(7)], from, to, 'end');
			area.dispatchEvent(new InputEvent('input'));
		}, 10);
	}`
	ann.Run(edit, 7)
	bob.Run(edit, 11)
	const state = `() => document.body.dataset.finished && document.getElementById('area').value`
	ann.Until(state, nil)
	bob.Until(state, nil)
	ann.Until(`() => document.getElementById('area').value.length > 20`, nil)
	// Both are done, and what is on its way arrives; a last word of each tells when.
	ann.types(0, "ANN")
	bob.Until(`() => document.getElementById('area').value.includes('ANN')`, nil)
	bob.types(0, "BOB")
	ann.Until(`() => document.getElementById('area').value.includes('BOB')`, nil)
	want := chromium.Value[string](ann.Tab, `() => document.getElementById('area').value`, nil)
	bob.text(want)
	if broken := chromium.Value[bool](ann.Tab, `() => /[\ud800-\udbff](?![\udc00-\udfff])|\ufffd/.test(document.getElementById('area').value)`, nil); broken {
		t.Errorf("half a character is in %q", want)
	}
	ann.CheckQuiet()
	bob.CheckQuiet()
}
