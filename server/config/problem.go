// Mistakes: what is wrong, where it stands, and what to change.

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	Key   string // limits.message_size, or rules[0].slow; "" if it is none key's
	Where string // ringdown.yaml:12, RINGDOWN_LIMITS_MESSAGE_SIZE or --max-message; "" if it stands nowhere
	Text  string // what was refused, why, and what to change; a sentence of which Key is the subject

	order int // of the source
	line  int
}

// String is the whole sentence.
func (p Problem) String() string {
	text := p.Text
	if p.Key != "" {
		text = p.Key + " " + text
	}
	if p.Where != "" {
		text = p.Where + ": " + text
	}
	return text
}

// Errors are all mistakes of a configuration, in the order in which they stand.
type Errors []Problem

// Error has one line for each mistake.
func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d mistakes:", len(e))
	for _, p := range e {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// orNil returns the mistakes in order, or nil if there are none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.line, b.line))
	})
	return e
}
