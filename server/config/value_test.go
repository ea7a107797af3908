package config

import (
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "65536": 65536, "64KiB": 64 << 10, "64kib": 64 << 10, "64 KiB": 64 << 10, " 1.5MiB ": 3 << 19, "10MB": 10_000_000, "1kB": 1000,
		"2GiB": 2 << 30, "1TB": 1e12, "5B": 5, "8388607TiB": 8388607 << 40,
		"": -1, "KiB": -1, "64K": -1, "64KiBs": -1, "-1": -1, "1e3": -1, "0.3B": -1, "1.2.3MB": -1, ".": -1, "9223372036854775808": -1, "8388608TiB": -1,
		"99999999999999999999.5KiB": -1, "0x10": -1, "Inf": -1, "NaN": -1, "1_000": -1,
	} {
		got, err := parseSize(text)
		if want < 0 && err == nil || want >= 0 && (got != want || err != nil) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"0", "64KiB", "1.5MB", "x", "9223372036854775807"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := parseSize(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("%q is %d", text, size)
		}
		if again, err := parseSize(size.String()); again != size || err != nil {
			t.Fatalf("%q is %d, written as %q, which is %d, %v", text, size, size, again, err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, text := range []string{"0", "30s", "1h30m", "-5ms", "30", "1h0m0.5s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		if again, err := time.ParseDuration(formatDuration(d)); again != d || err != nil {
			t.Fatalf("%q is %v, written as %q, which is %v, %v", text, d, formatDuration(d), again, err)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add(Defaults())
	f.Add("rules: [{pattern: a, history: {count: 1}}]\nlimits: {session: &a {messages: 1}, user: *a}")
	f.Add("a: &a [*a]")
	f.Add("? [a]\n: b\n<<: {dev: true}")
	f.Fuzz(func(t *testing.T, content string) {
		loaded, err := load(t, content)
		if err == nil && loaded.Config.Check() != nil {
			t.Error("taken, and then refused")
		}
	})
}
