// Values that have a form of their own: sizes, secrets and durations.

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. It is written as a number, or with a unit: "64KiB", "1.5MiB", "10MB".
type Size int64

// units of sizes, the large ones first, in which String looks for one that fits.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// parseSize is the inverse of [Size.String]. Units are taken in any case, with or without a space before them. The error is a sentence
// without its subject.
func parseSize(text string) (Size, error) {
	wrong := fmt.Errorf(`is %.40q, which is no size; write bytes as a number, or with a unit as in "64KiB" or "10MB"`, text)
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if at := len(number) - len(u.name); at > 0 && strings.EqualFold(number[at:], u.name) {
			number, unit = strings.TrimSpace(number[:at]), u.bytes
			break
		}
	}
	if strings.Trim(number, "0123456789.") != "" || number == "" {
		return 0, wrong
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n > math.MaxInt64/unit {
			return 0, fmt.Errorf("is %.40q, which is more bytes than can be counted; give it less", text)
		}
		return Size(n * unit), nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, wrong
	}
	switch bytes := f * float64(unit); {
	case bytes >= math.MaxInt64:
		return 0, fmt.Errorf("is %.40q, which is more bytes than can be counted; give it less", text)
	case bytes != math.Trunc(bytes):
		return 0, fmt.Errorf("is %.40q, which is no whole number of bytes; round it", text)
	default:
		return Size(bytes), nil
	}
}

// String writes s with the largest binary unit of which it is a whole number, or as a number.
func (s Size) String() string {
	for _, u := range units[:4] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// parseDuration takes what [time.ParseDuration] does, and says what is wrong in our own words: a sentence without its subject.
func parseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(strings.TrimSpace(text)); err == nil {
		return d, nil
	}
	if _, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
		return 0, fmt.Errorf(`is %.40q, which has no unit; write "%ss" if seconds are meant, or another of ms, s, m, h`, text, strings.TrimSpace(text))
	}
	return 0, fmt.Errorf(`is %.40q, which is no duration; write it as "30s", "5m" or "1h30m"`, text)
}

// formatDuration leaves out the zeros that time.Duration writes: 5m instead of 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Secret is a text that is never shown: however it is printed or encoded it is "…", or nothing if it is empty. Whoever needs it
// converts it to a string.
type Secret string

const hidden = "…"

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// Format hides it from every other verb.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		f.Write([]byte(s.GoString()))
		return
	}
	f.Write([]byte(s.String()))
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText refuses: a secret that was encoded is none any more.
func (s *Secret) UnmarshalText([]byte) error {
	return errors.New("config: a secret is read by Load only")
}
