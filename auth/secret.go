// A secret that does not print.

package auth

import (
	"fmt"
	"log/slog"
)

// Secret is a key shared with those who mint tokens. However it is printed, logged or marshalled, it is "(secret)"; only a
// conversion to string gives it away.
type Secret string

const hidden = "(secret)"

// Format implements [fmt.Formatter]: every verb prints "(secret)", or nothing if there is none.
func (s Secret) Format(f fmt.State, _ rune) {
	if s != "" {
		f.Write([]byte(hidden))
	}
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalText implements [encoding.TextMarshaler], which JSON and YAML use.
func (s Secret) MarshalText() ([]byte, error) { return fmt.Append(nil, s), nil }
