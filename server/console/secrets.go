// What is secret in a message: values of JSON by their names, however deep and however often quoted, tokens of "authenticate", and what is
// secret in any text. Messages may be cut anywhere.

package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
)

// secretName matches the names of values in messages that are not shown: more than in our own log, for these are anybody's.
var secretName = regexp.MustCompile(`(?i)(token|secret|password|passwd|pwd|passphrase|passcode|authorization|cookie|credential|api[_-]?key|private[_-]?key|signature|jwt|bearer)s?$`)

// authorization is a header in a text.
var authorization = regexp.MustCompile(`(?i)\b(authorization[ \t]*:[ \t]*)[^\s"\\][^\r\n"\\]*`)

// span is a part of a text.
type span struct{ start, end int }

// maxKey is how long the name of a value may be, quotes and escapes included, in bytes.
const maxKey = 200

// secretSpans are the parts of a text that are not shown, in order, apart from each other.
func secretSpans(text []byte) []span {
	var all []span
	for q := 0; q < len(text); q++ {
		if text[q] == '"' {
			if s, ok := secretAt(text, q); ok {
				all = append(all, s)
			}
		}
	}
	for _, s := range secrets {
		if bytes.Contains(text, []byte(s.hint)) {
			all = append(all, found(text, s.is)...)
		}
	}
	all = append(all, found(text, authorization)...)
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.start, y.start) })
	apart := all[:0]
	for _, s := range all {
		if n := len(apart); n > 0 && s.start <= apart[n-1].end {
			apart[n-1].end = max(apart[n-1].end, s.end)
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// found is what an expression finds, but for its first group and the signs around the rest, which say what it is.
func found(text []byte, is *regexp.Regexp) (all []span) {
	for _, at := range is.FindAllSubmatchIndex(text, -1) {
		s := span{at[0], at[1]}
		if len(at) > 2 {
			s.start = at[3]
		}
		for s.start < s.end && bytes.IndexByte([]byte("=: ."), text[s.start]) >= 0 {
			s.start++
		}
		if text[s.end-1] == '@' {
			s.end--
		}
		all = append(all, s)
	}
	return all
}

// secretAt is the secret behind the text that begins with the quote at q, if it is the name of one.
func secretAt(text []byte, q int) (span, bool) {
	depth := backslashes(text, q)
	end, whole := quoted(text[:min(len(text), q+maxKey)], q+1, depth)
	if !whole {
		return span{}, false
	}
	name := unescaped(text[q+1:end], depth)
	at := skipSpace(text, end+depth+1)
	switch {
	case at >= len(text):
		return span{}, false
	case text[at] == ':' && secretName.MatchString(name):
		return valueAt(text, skipSpace(text, at+1), depth)
	case text[at] == ',' && name == "authenticate": // Socket.IO's: the token is the argument
		v, ok := valueAt(text, skipSpace(text, at+1), depth)
		if !ok || text[v.start] == '{' || v.end+depth+1 < len(text) && text[v.end+depth] == '"' && next(text, v.end+depth+1) == ':' { // it has names itself
			return span{}, false
		}
		return v, true
	}
	return span{}, false
}

// next is the byte that follows white space, or 0.
func next(text []byte, at int) byte {
	if at = skipSpace(text, at); at < len(text) {
		return text[at]
	}
	return 0
}

// backslashes is how many of them stand before a place: a quote within a quoted text has one, one within that three, and so on.
func backslashes(text []byte, at int) (n int) {
	for n < at && text[at-1-n] == '\\' {
		n++
	}
	return n
}

// quoted is the end of the text that begins at a place, before the backslashes of its closing quote. whole is false if it is cut.
func quoted(text []byte, at, depth int) (end int, whole bool) {
	for q := at; q < len(text); q++ {
		if text[q] != '"' {
			continue
		}
		n := min(backslashes(text, q), q-at)
		if n < depth { // the text around it ends here
			return q - n, true
		}
		if (n-depth)%(2*(depth+1)) == 0 {
			return q - depth, true
		}
	}
	return len(text), false
}

// unescaped is a name with its escapes resolved.
func unescaped(name []byte, depth int) string {
	text := string(name)
	for i := 0; i < 8 && bytes.IndexByte([]byte(text), '\\') >= 0; i++ {
		var plain string
		if json.Unmarshal([]byte(`"`+text+`"`), &plain) != nil {
			break
		}
		text = plain
	}
	return text
}

// skipSpace is the place behind white space, also as it looks within quoted texts, and between the lines of an event.
func skipSpace(text []byte, at int) int {
	for at < len(text) {
		switch {
		case bytes.IndexByte([]byte(" \t\r\n"), text[at]) >= 0:
			if text[at] == '\n' && bytes.HasPrefix(text[at+1:], []byte("data:")) {
				at += len("data:")
			}
			at++
		case text[at] == '\\':
			n := 1
			for at+n < len(text) && text[at+n] == '\\' {
				n++
			}
			if at+n >= len(text) || bytes.IndexByte([]byte("nrt"), text[at+n]) < 0 {
				return at
			}
			at += n + 1
		default:
			return at
		}
	}
	return at
}

// valueAt is what a value has to hide: a text without its quotes, a number, or a list or object as a whole.
func valueAt(text []byte, at, depth int) (span, bool) {
	if at >= len(text) {
		return span{}, false
	}
	if bytes.HasPrefix(text[at:], append(bytes.Repeat([]byte{'\\'}, depth), '"')) {
		start := at + depth + 1
		end, _ := quoted(text, start, depth)
		return span{start, end}, end > start
	}
	if text[at] == '{' || text[at] == '[' {
		return span{at, nested(text, at, depth)}, true
	}
	end := at
	for end < len(text) && bytes.IndexByte([]byte(",}] \t\r\n\"\\\x1e"), text[end]) < 0 {
		end++
	}
	switch string(text[at:end]) {
	case "", "null", "true", "false":
		return span{}, false
	}
	return span{at, end}, true
}

// nested is the end of the list or object that begins at a place.
func nested(text []byte, at, depth int) int {
	open := 0
	for at < len(text) {
		switch text[at] {
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				return at + 1
			}
		case '"':
			end, _ := quoted(text, at+1, depth)
			at = min(end+depth, len(text)-1)
		}
		at++
	}
	return len(text)
}
