// Walking over JSON that is known to be valid, so that a command is taken apart in place and its data kept as it was written.

package native

import "encoding/json"

// The functions here take text that [json.Valid] has accepted; on anything else they may panic.

// space is the length of the white space at the beginning of text.
func space(text []byte) int {
	n := 0
	for n < len(text) && (text[n] == ' ' || text[n] == '\t' || text[n] == '\n' || text[n] == '\r') {
		n++
	}
	return n
}

// first returns the value at the beginning of text, as it is written, and what comes after it.
func first(text []byte) (value, rest []byte) {
	text = text[space(text):]
	end := 0
	switch text[0] {
	case '"':
		end = stringEnd(text)
	case '{', '[':
		end = nestEnd(text)
	default:
		for end < len(text) && !ends(text[end]) {
			end++
		}
	}
	return text[:end], text[end:]
}

// ends tells whether a number or word ends before c.
func ends(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

func stringEnd(text []byte) int {
	at := 1
	for text[at] != '"' {
		if text[at] == '\\' {
			at++
		}
		at++
	}
	return at + 1
}

func nestEnd(text []byte) int {
	depth := 0
	for at := 0; ; at++ {
		switch text[at] {
		case '"':
			at += stringEnd(text[at:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
}

// each calls yield for the values of an array, in order, until it returns false.
func each(array []byte, yield func(value []byte) bool) {
	for rest := array[1:]; ; {
		if rest = rest[space(rest):]; rest[0] == ',' {
			rest = rest[1:]
		}
		if rest[0] == ']' {
			return
		}
		var value []byte
		if value, rest = first(rest); !yield(value) {
			return
		}
	}
}

// members calls yield for the members of an object, in order; both name and value are as they are written.
func members(object []byte, yield func(name, value []byte)) {
	for rest := object[1:]; ; {
		if rest = rest[space(rest):]; rest[0] == ',' {
			rest = rest[1:]
		}
		if rest[0] == '}' {
			return
		}
		var name, value []byte
		name, rest = first(rest)
		rest = rest[space(rest):]
		value, rest = first(rest[1:]) // after the colon
		yield(name, value)
	}
}

// unquote reads a JSON string.
func unquote(value []byte) string {
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			json.Unmarshal(value, &s) // it is valid
			return s
		}
	}
	return string(inner)
}

// sort is what a value is, as a person would say.
func sort(value []byte) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
