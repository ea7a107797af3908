package handshake

// Sec-WebSocket-Extensions (RFC 6455 §9.1): a hand parser, linear in its input and bounded in its output, because
// parsers of this field have been blown up in other implementations.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const (
	maxExtensions      = 8
	maxExtensionParams = 16
)

// Extension is one element of Sec-WebSocket-Extensions: an offer in a request, an agreement in an answer.
type Extension struct {
	Name   string
	Params []Param // in the order in which they were sent, repetitions included
}

// Param is a parameter of an extension. Value is a token, unquoted already; HasValue tells "name=value" from "name".
type Param struct {
	Name, Value string
	HasValue    bool
}

// ParseExtensions returns the extensions of h in order, nil when the field is absent. Names and values are as sent and
// may alias the strings of h. Anything outside the grammar, more than 8 extensions, more than 16 parameters of one, or
// more than 8 KiB in all is an error that says where: §9.1 has the receiver of such a field fail the connection.
func ParseExtensions(h http.Header) ([]Extension, error) {
	lines := h[fieldExtensions]
	if len(lines) == 0 {
		return nil, nil
	}
	if n := listBytes(lines); n > maxListBytes {
		return nil, fmt.Errorf("Sec-WebSocket-Extensions is %d bytes long; the limit is %d", n, maxListBytes)
	}
	var list []Extension
	for i, line := range lines {
		s := scanner{text: line}
		var err error
		if list, err = s.extensions(list); err != nil {
			return nil, fmt.Errorf("Sec-WebSocket-Extensions, line %d, byte %d: %w", i+1, s.pos+1, err)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("Sec-WebSocket-Extensions is empty; leave it out to ask for no extension")
	}
	return list, nil
}

// FormatExtensions renders list as a field value that [ParseExtensions] reads back; "" for an empty list. Names and
// values must be tokens.
func FormatExtensions(list []Extension) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.Name)
		for _, p := range e.Params {
			b.WriteString("; ")
			b.WriteString(p.Name)
			if p.HasValue {
				b.WriteString("=")
				b.WriteString(p.Value)
			}
		}
	}
	return b.String()
}

// scanner walks one line of the field. On an error pos is where it was found.
type scanner struct {
	text string
	pos  int
}

// extensions appends the line's extensions to list. Empty list elements are skipped (RFC 9110 §5.6.1.2).
func (s *scanner) extensions(list []Extension) ([]Extension, error) {
	for {
		for s.skip(',') {
		}
		if s.end() {
			return list, nil
		}
		if len(list) == maxExtensions {
			return nil, fmt.Errorf("more than %d extensions", maxExtensions)
		}
		e, err := s.extension()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !s.end() && s.text[s.pos] != ',' {
			return nil, fmt.Errorf(`%s where "," or ";" was expected`, s.here())
		}
	}
}

func (s *scanner) extension() (e Extension, err error) {
	if e.Name, err = s.token("an extension name"); err != nil {
		return e, err
	}
	for s.skip(';') {
		if len(e.Params) == maxExtensionParams {
			return e, fmt.Errorf("more than %d parameters of %s", maxExtensionParams, quote(e.Name))
		}
		p, err := s.param()
		if err != nil {
			return e, err
		}
		e.Params = append(e.Params, p)
	}
	return e, nil
}

func (s *scanner) param() (p Param, err error) {
	if p.Name, err = s.token("a parameter name"); err != nil {
		return p, err
	}
	if !s.skip('=') {
		return p, nil
	}
	p.HasValue = true
	if !s.end() && s.text[s.pos] == '"' {
		p.Value, err = s.quotedToken()
	} else {
		p.Value, err = s.token("a parameter value")
	}
	return p, err
}

func (s *scanner) token(what string) (string, error) {
	s.skipOWS()
	n := tokenLen(s.text[s.pos:])
	if n == 0 {
		return "", fmt.Errorf("%s where %s was expected", s.here(), what)
	}
	token := s.text[s.pos : s.pos+n]
	s.pos += n
	return token, nil
}

// quotedToken reads a quoted-string whose content, escapes taken off, must be a token (§9.1). Hence every character
// inside is a token character, bare or behind a backslash.
func (s *scanner) quotedToken() (string, error) {
	var unescaped []byte
	s.pos++
	for start := s.pos; s.pos < len(s.text); s.pos++ {
		c := s.text[s.pos]
		switch {
		case c == '"' && s.pos == start:
			return "", errors.New("an empty parameter value; a token was expected inside the quotes")
		case c == '"':
			s.pos++
			return string(unescaped), nil
		case c == '\\':
			s.pos++
			if s.end() {
				return "", errors.New("the field ends inside a quoted value")
			}
			c = s.text[s.pos]
		}
		if !isTokenChar(c) {
			return "", fmt.Errorf("%s inside a quoted value that must be a token", s.here())
		}
		unescaped = append(unescaped, c)
	}
	return "", errors.New("the field ends inside a quoted value")
}

// skip passes over c and the white space around it, and reports whether c was there. RFC 6455 takes its grammar from
// RFC 2616, which allows white space between any two tokens, so " = " is legal here.
func (s *scanner) skip(c byte) bool {
	s.skipOWS()
	if s.end() || s.text[s.pos] != c {
		return false
	}
	s.pos++
	s.skipOWS()
	return true
}

func (s *scanner) skipOWS() {
	for !s.end() && isOWS(s.text[s.pos]) {
		s.pos++
	}
}

func (s *scanner) end() bool {
	return s.pos >= len(s.text)
}

// here names what stands at pos.
func (s *scanner) here() string {
	if s.end() {
		return "the end of the field"
	}
	return quote(s.text[s.pos : s.pos+1])
}
