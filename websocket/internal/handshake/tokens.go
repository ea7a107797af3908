package handshake

// The small grammar that all header fields here share: tokens, comma lists over several lines (RFC 9110 §5.6.1, §5.6.2),
// ASCII case, and how a value of the peer is quoted in a message for people.

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Header fields of the handshake, spelled as net/http keys them.
const (
	fieldConnection = "Connection"
	fieldUpgrade    = "Upgrade"
	fieldKey        = "Sec-Websocket-Key"
	fieldAccept     = "Sec-Websocket-Accept"
	fieldVersion    = "Sec-Websocket-Version"
	fieldProtocol   = "Sec-Websocket-Protocol"
	fieldExtensions = "Sec-Websocket-Extensions"
)

// maxListBytes bounds a list field over all its lines, whatever the limit on the whole header.
const maxListBytes = 8 << 10

// maxQuoted is how much of a peer's value a message repeats, in bytes before escaping.
const maxQuoted = 64

// HasToken reports whether the comma list in the field name, over all its lines, has token as an element, compared
// without regard to ASCII case. It does not allocate when name is in canonical form.
func HasToken(h http.Header, name, token string) bool {
	for _, line := range h[textproto.CanonicalMIMEHeaderKey(name)] {
		for more := true; more; {
			var element string
			element, line, more = strings.Cut(line, ",")
			if equalFold(trimOWS(element), token) {
				return true
			}
		}
	}
	return false
}

// isToken reports whether s is a token: one or more tchar of RFC 9110 §5.6.2, which are the characters that RFC 6455
// allows too (§4.1 item 10 by way of RFC 2616).
func isToken(s string) bool {
	return s != "" && tokenLen(s) == len(s)
}

// tokenLen returns how many bytes at the start of s are token characters.
func tokenLen(s string) int {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return i
		}
	}
	return len(s)
}

func isTokenChar(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isAlnum(c byte) bool {
	return isDigit(c) || isAlpha(c)
}

func isDigit(c byte) bool {
	return '0' <= c && c <= '9'
}

func isAlpha(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z'
}

// equalFold compares without regard to ASCII case only: under Unicode folding "webſocket" would pass for "websocket".
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isOWS(c byte) bool {
	return c == ' ' || c == '\t'
}

func trimOWS(s string) string {
	for s != "" && isOWS(s[0]) {
		s = s[1:]
	}
	for s != "" && isOWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// isFieldValue reports whether s may be written as a field value without ending the line it stands on (RFC 9110 §5.5).
func isFieldValue(s string) bool {
	return !strings.ContainsAny(s, "\r\n\x00")
}

// listBytes returns the length of all lines of a list field together.
func listBytes(lines []string) int {
	n := 0
	for _, line := range lines {
		n += len(line)
	}
	return n
}

// quote makes a peer's value fit for a message: escaped to printable ASCII and cut.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
