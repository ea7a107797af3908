// Text of strangers, made fit for a terminal.

package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns text with everything escaped that a terminal might obey rather than show: control characters (a
// terminal's commands begin with one), invisible formatting such as a change of text direction, and bytes that are not
// UTF-8. Line feeds and tabs stay; lines after the first are indented, so that they cannot pass for lines of ours.
func printable(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r == '\n':
			out.WriteString("\n  ")
		case r == '\t' || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u{%x}`, r)
		}
		text = text[size:]
	}
	return out.String()
}
