package hub_test

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

func TestChannelNames(t *testing.T) {
	for _, c := range []struct {
		proves, name, refusal string
	}{
		{"plain", "lobby", ""},
		{"one byte", "a", ""},
		{"spaces within", "the big room", ""},
		{"slashes and dots", "plant/line.3/#temp+", ""},
		{"other scripts", "κανάλι 频道", ""},
		{"emoji", "🎉", ""},
		{"longest", strings.Repeat("x", 255), ""},
		{"longest in runes of two bytes", strings.Repeat("é", 127), ""},
		{"empty", "", "is empty"},
		{"too long", strings.Repeat("x", 256), "256 bytes"},
		{"too long in bytes only", strings.Repeat("é", 128), "256 bytes"},
		{"line feed", "a\nb", "U+000A at byte 1"},
		{"NUL", "\x00", "U+0000"},
		{"delete", "a\x7f", "U+007F"},
		{"C1 control", "a\u0085", "U+0085"},
		{"invisible space", "a\u200bb", "U+200B"},
		{"text direction", "a\u202eb", "U+202E"},
		{"no-break space", "a\u00a0b", "U+00A0"},
		{"not UTF-8", "a\xff", "not valid UTF-8"},
		{"surrogate", "\xed\xa0\x80", "not valid UTF-8"},
		{"leading space", " a", "space"},
		{"dots that a browser takes out of a URL", "..", "stands for a folder"},
		{"one dot", ".", "stands for a folder"},
		{"three dots", "...", ""},
		{"trailing space", "a ", "space"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			err := hub.CheckChannel(c.name)
			if c.refusal == "" && err != nil {
				t.Fatalf("%q: %v", c.name, err)
			}
			if c.refusal != "" && (err == nil || !strings.Contains(err.Error(), c.refusal)) {
				t.Fatalf("%q: %v, want a refusal with %q", c.name, err, c.refusal)
			}
		})
	}
}

// FuzzChannelName checks that a name is never taken that could break a log line, and never refused without a sentence.
func FuzzChannelName(f *testing.F) {
	for _, name := range []string{"lobby", "", "a\nb", "\xff", "κανάλι", " x ", strings.Repeat("y", 300)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := hub.CheckChannel(name)
		if err == nil && (len(name) == 0 || len(name) > hub.MaxChannelName || strings.ContainsAny(name, "\r\n\x00\x1b")) {
			t.Errorf("took %q", name)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
			t.Errorf("the refusal of %q holds control characters: %q", name, err)
		}
	})
}
