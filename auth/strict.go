// JSON that has one meaning only. What differs between parsers (a name given twice, names in another case, deep nesting) is how
// a token comes to mean one thing to its issuer and another to its reader.

package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep the objects and arrays of a token or key may nest.
const maxDepth = 16

// object parses a JSON object whose names, at every level, are unique. The names of the map are exact, which those of a
// struct would not be: encoding/json takes "SUB" for "sub". The errors hold nothing of the text but names and positions.
func object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not valid UTF-8")
	}
	if err := unambiguous(text); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields == nil { // their errors quote the text
		return nil, errors.New("is not a JSON object")
	}
	return fields, nil
}

// unambiguous refuses what object cannot see once it is parsed. Syntax is not its business, beyond what stops it.
func unambiguous(text []byte) error {
	type level struct {
		names map[string]bool // nil in an array
		value bool            // an object's value is next, not a name
	}
	var levels []level
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not JSON, at byte %d", d.InputOffset())
		}
		top := len(levels) - 1
		if token == json.Delim('}') || token == json.Delim(']') {
			levels = levels[:top]
			continue
		}
		if top >= 0 && levels[top].names != nil {
			l := &levels[top]
			if name, isName := token.(string); isName && !l.value {
				if l.names[name] {
					return fmt.Errorf("has the name %.40q twice; give it once", name)
				}
				l.names[name], l.value = true, true
				continue
			}
			l.value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		}
		if len(levels) > maxDepth {
			return fmt.Errorf("nests deeper than %d levels; flatten it", maxDepth)
		}
	}
}

// text reads a string field; a missing one is "".
func text(fields map[string]json.RawMessage, name string) (string, error) {
	raw, ok := fields[name]
	if !ok {
		return "", nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("has a %q that is not a string", name)
	}
	return s, nil
}
