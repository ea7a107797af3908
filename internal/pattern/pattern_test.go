package pattern

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*", "a/b", true},
		{"news", "news", true},
		{"news", "newsletter", false},
		{"news", "new", false},
		{"private:*", "private:", true},
		{"private:*", "private:a", true},
		{"private:*", "private:a/b:c", true},
		{"private:*", "private", false},
		{"*:a", "x/y:a", true},
		{"*:a", "x:a:b", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b", "ab/ab", true},
		{"a**b", "ab", true},
		{"user:?", "user:é", true},
		{"user:?", "user:", false},
		{"user:?", "user:/", true},
		{"user:?", "user:ab", false},
		{"[a-c]", "b", true},
		{"[a-c]", "d", false},
		{"[^a-c]", "d", true},
		{"[^a-c]", "a", false},
		{"[^a-c]", "", false},
		{"[abx-z]*", "y/1", true},
		{`[\]]`, "]", true},
		{`[\^a]`, "^", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\?`, "a?", true},
		{"a]", "a]", true},
		{"é*", "éa", true},
		{"?", "\xff", true},
		{"", "", true}, // refused by Check, but the same as what it says
		{"[", "[", false},
		{"[]", "]", false},
		{"[z-a]", "b", false},
		{`a\`, "a", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestCheckRefusesWhatIsBroken(t *testing.T) {
	for _, bad := range []string{"", "[", "[a", "[]", "[^]", "[^", "[a-]", "[z-a]", `\`, `a\`, `[\]`, `*[`} {
		if Check(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"*", "a", "a]", "[a]", "[^a]", `[\]]`, "[a-z]*", `\[`, "chat:*", "?"} {
		if err := Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// A pattern made to be slow is not.
func TestManyStarsTakeNoTime(t *testing.T) {
	if Match(strings.Repeat("*a", 120)+"b", strings.Repeat("a", 255)) {
		t.Error("matched")
	}
}

func FuzzMatchIsARegularExpression(f *testing.F) {
	for _, seed := range [][2]string{{"chat:*", "chat:a/b"}, {"[a-c]?*", "bxx"}, {`\*[^a]`, "*b"}, {"*a*b*", "aabb"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if Check(pattern) != nil || !utf8.ValidString(pattern) || !utf8.ValidString(name) || strings.Contains(pattern, "�") {
			Match(pattern, name) // ends, and does not panic
			return
		}
		if got, want := Match(pattern, name), expression(pattern).MatchString(name); got != want {
			t.Errorf("%q, %q: %v, want %v", pattern, name, got, want)
		}
	})
}

// expression is a pattern as a regular expression.
func expression(pattern string) *regexp.Regexp {
	var b strings.Builder
	runes := []rune(pattern)
	literal := func(i int) int {
		if runes[i] == '\\' {
			i++
		}
		b.WriteString(regexp.QuoteMeta(string(runes[i])))
		return i
	}
	for i := 0; i < len(runes); i++ {
		switch runes[i] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			b.WriteString("[")
			if i++; runes[i] == '^' {
				b.WriteString("^")
				i++
			}
			for ; runes[i] != ']'; i++ {
				low := runes[i]
				if low == '\\' {
					i++
					low = runes[i]
				}
				high := low
				if runes[i+1] == '-' {
					if i += 2; runes[i] == '\\' {
						i++
					}
					high = runes[i]
				}
				for _, r := range []rune{low, high} {
					if strings.ContainsRune(`\]^-[`, r) {
						b.WriteString(`\`)
					}
					b.WriteRune(r)
					if r == low && r == high {
						break
					}
					if r == low {
						b.WriteString("-")
					}
				}
			}
			b.WriteString("]")
		default:
			i = literal(i)
		}
	}
	return regexp.MustCompile(`(?s)\A` + b.String() + `\z`)
}
