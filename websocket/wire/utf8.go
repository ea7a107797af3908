// UTF-8 that arrives in pieces (RFC 6455 §8.1).

package wire

import "unicode/utf8"

// UTF8 checks that a stream of bytes is UTF-8, across pieces cut anywhere. It fails at the first byte after which
// no continuation could make the text valid, even when that byte ends a piece. The zero value is an empty text.
type UTF8 struct {
	tail [3]byte // a character's first bytes, cut by the end of a piece
	n    uint8   // bytes in tail
}

// Write takes the next piece and reports whether the text can still become valid.
func (t *UTF8) Write(p []byte) bool {
	if t.n > 0 {
		var ok bool
		if p, ok = t.finish(p); !ok {
			return false
		}
	}
	if utf8.Valid(p) {
		return true
	}
	// Invalid, or cut inside its last character: look for that character's first byte among the last three.
	for i := 1; i <= 3 && i <= len(p); i++ {
		cut := len(p) - i
		if !utf8.RuneStart(p[cut]) {
			continue
		}
		// FullRune is true also for a prefix that no byte can complete, so those fail here and now.
		if utf8.FullRune(p[cut:]) || !utf8.Valid(p[:cut]) {
			return false
		}
		t.n = uint8(copy(t.tail[:], p[cut:]))
		return true
	}
	return false
}

// finish completes the character in tail from p and returns what follows it.
func (t *UTF8) finish(p []byte) (rest []byte, ok bool) {
	var char [4]byte
	n := copy(char[:], t.tail[:t.n])
	for len(p) > 0 {
		char[n] = p[0]
		n, p = n+1, p[1:]
		if utf8.FullRune(char[:n]) {
			t.n = 0
			_, size := utf8.DecodeRune(char[:n])
			return p, size == n
		}
	}
	t.n = uint8(copy(t.tail[:], char[:n]))
	return nil, true
}

// Complete reports whether the text may end here.
func (t *UTF8) Complete() bool { return t.n == 0 }
