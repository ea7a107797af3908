package rooms

// This file: what publications say. All are alike but for a number, so that each subscriber can be held to having heard
// every one of them, in order and unaltered, whatever its server wraps them in.

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	sheetHead   = `{"n":"`
	sheetDigits = 10
)

// sheetTail is what follows the number: a JSON object of PayloadSize bytes in all, without anything to escape.
var sheetTail = func() string {
	const middle, end = `","text":"`, `"}`
	letters := strings.Repeat("abcdefghijklmnopqrstuvwxyz", PayloadSize)
	return middle + letters[:PayloadSize-len(sheetHead)-sheetDigits-len(middle)-len(end)] + end
}()

// sheet is publication number n.
func sheet(n int) []byte {
	return fmt.Appendf(nil, "%s%0*d%s", sheetHead, sheetDigits, n, sheetTail)
}

// A reader finds publications in what a server wraps them in. It remembers where the last one was: wrappings are alike.
type reader struct{ at int }

// next returns the number of the first publication in text and what follows it. found is false when there is none; an
// altered one is an error.
func (r *reader) next(text []byte) (n int, rest []byte, found bool, err error) {
	at := r.at
	if len(text) < at+len(sheetHead) || string(text[at:at+len(sheetHead)]) != sheetHead {
		if at = bytes.Index(text, []byte(sheetHead)); at < 0 {
			return 0, nil, false, nil
		}
		r.at = at
	}
	text = text[at:]
	if len(text) < PayloadSize || string(text[len(sheetHead)+sheetDigits:PayloadSize]) != sheetTail {
		return 0, nil, false, fmt.Errorf("a publication came altered: %.200q", text)
	}
	for _, digit := range text[len(sheetHead) : len(sheetHead)+sheetDigits] {
		if digit < '0' || digit > '9' {
			return 0, nil, false, fmt.Errorf("a publication came altered: %.200q", text)
		}
		n = n*10 + int(digit-'0')
	}
	return n, text[PayloadSize:], true, nil
}
