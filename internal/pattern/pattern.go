// Package pattern matches the names of channels, for rules and for grants alike: "*" is any run of characters, "/" and ":" included,
// "?" is any one character, "[a-z0-9]" one of a class and "[^a-z]" one that is not, and "\" takes the meaning from the character
// after it. Everything else is itself. A character is one of UTF-8, and a byte that is not UTF-8 is one of its own.
package pattern

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Check tells what is wrong with a pattern.
func Check(pattern string) error {
	if pattern == "" {
		return errors.New("it is empty")
	}
	for rest := pattern; rest != ""; {
		one, after, err := next(rest)
		if err != nil {
			return err
		}
		if one.class != "" {
			if _, err := one.inClass('a'); err != nil {
				return err
			}
		}
		rest = after
	}
	return nil
}

// Match tells whether a pattern matches the whole of a name. A pattern that Check refuses matches nothing. The time it takes is
// bounded by the product of both lengths.
func Match(pattern, name string) bool {
	star, resume := "", "" // after the last "*", and where its run ends now
	starred := false
	for {
		if strings.HasPrefix(pattern, "*") {
			pattern = pattern[1:]
			star, resume, starred = pattern, name, true
			continue
		}
		if pattern == "" && name == "" {
			return true
		}
		if after, rest, ok := step(pattern, name); ok {
			pattern, name = after, rest
			continue
		}
		if !starred || resume == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(resume) // the run takes one character more
		resume = resume[size:]
		pattern, name = star, resume
	}
}

// step matches one character of the name.
func step(pattern, name string) (after, rest string, ok bool) {
	if pattern == "" || name == "" {
		return "", "", false
	}
	one, after, err := next(pattern)
	if err != nil {
		return "", "", false
	}
	r, size := utf8.DecodeRuneInString(name)
	if r == utf8.RuneError && size == 1 {
		ok = one.any || one.literal == name[:1]
	} else {
		ok = one.matches(r)
	}
	return after, name[size:], ok
}

// element is what matches one character.
type element struct {
	any     bool
	literal string
	class   string // what is between the brackets
}

var (
	errBracket   = errors.New("a bracket is not closed, or nothing is in it")
	errBackslash = errors.New(`it ends with a "\"`)
	errRange     = errors.New("a range in brackets has no end, or ends before it begins")
)

// next takes the first element off a pattern that is not empty. A "*" is taken for itself.
func next(pattern string) (e element, after string, err error) {
	switch pattern[0] {
	case '?':
		return element{any: true}, pattern[1:], nil
	case '[':
		end := endOfClass(pattern)
		if end < 0 {
			return e, "", errBracket
		}
		return element{class: pattern[1:end]}, pattern[end+1:], nil
	case '\\':
		if pattern = pattern[1:]; pattern == "" {
			return e, "", errBackslash
		}
	}
	_, size := utf8.DecodeRuneInString(pattern)
	return element{literal: pattern[:size]}, pattern[size:], nil
}

// endOfClass is where the bracket at the beginning is closed, or negative. A class holds something.
func endOfClass(pattern string) int {
	from := 1
	if strings.HasPrefix(pattern[1:], "^") {
		from = 2
	}
	for i := from; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\':
			i++
		case pattern[i] == ']' && i > from:
			return i
		case pattern[i] == ']':
			return -1
		}
	}
	return -1
}

func (e element) matches(r rune) bool {
	switch {
	case e.any:
		return true
	case e.class != "":
		ok, err := e.inClass(r)
		return ok && err == nil
	}
	want, _ := utf8.DecodeRuneInString(e.literal)
	return want == r && len(e.literal) == utf8.RuneLen(r)
}

// inClass tells whether r is in the class; all of which it reads, so that it always finds what is wrong with it.
func (e element) inClass(r rune) (ok bool, err error) {
	class, not := strings.CutPrefix(e.class, "^")
	for class != "" {
		var low, high rune
		if low, class, err = bound(class); err != nil {
			return false, err
		}
		high = low
		if strings.HasPrefix(class, "-") {
			if high, class, err = bound(class[1:]); err != nil || high < low {
				return false, errRange
			}
		}
		ok = ok || low <= r && r <= high
	}
	return ok != not, nil
}

// bound takes a character off a class.
func bound(class string) (r rune, after string, err error) {
	class = strings.TrimPrefix(class, `\`)
	if class == "" {
		return 0, "", errRange
	}
	r, size := utf8.DecodeRuneInString(class)
	return r, class[size:], nil
}
