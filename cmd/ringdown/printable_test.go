package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ proves, text, want string }{
		{"plain text", "hello, κόσμε 🎉", "hello, κόσμε 🎉"},
		{"tab", "a\tb", "a\tb"},
		{"later lines are indented", "a\n* fake\n", "a\n  * fake\n  "},
		{"carriage return", "safe\rfake", `safe\x0dfake`},
		{"colour", "\x1b[31mred", `\x1b[31mred`},
		{"window title", "\x1b]0;x\a", `\x1b]0;x\x07`},
		{"eight-bit control", "\u009b31m", `\x9b31m`},
		{"delete", "\x7f", `\x7f`},
		{"NUL", "\x00", `\x00`},
		{"text direction", "\u202eabc", `\u{202e}abc`},
		{"invisible", "a\u200bb", `a\u{200b}b`},
		{"not UTF-8", "a\xff\xfe", `a\xff\xfe`},
		{"replacement character itself", "\ufffd", "\ufffd"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			if got := printable(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	for _, text := range []string{"", "hello", "\x1b[2J", "\xff", "\u202e", "a\nb", "\xe2\x80"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q became %q, which is not UTF-8", text, got)
		}
		for _, r := range got {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Errorf("%q became %q, which holds a control character", text, got)
			}
		}
		for i, line := range strings.Split(got, "\n") {
			if i > 0 && !strings.HasPrefix(line, "  ") {
				t.Errorf("%q became %q, with a line that is not indented", text, got)
			}
		}
	})
}
