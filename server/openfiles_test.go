package server

import (
	"strings"
	"testing"
)

func TestConnectionsFitUnderTheLimitOnOpenFiles(t *testing.T) {
	for _, c := range []struct {
		asked, files, want int
		sentence           string
	}{
		{100_000, 0, 100_000, ""},
		{100_000, 1 << 20, 100_000, ""},
		{100_000, 20_000, 18_718, "open files are limited to 20000; so at most 18718 clients can be connected at once, not 100000"},
		{500, 1024, 500, ""},
		{1000, 1024, 928, "open files are limited to 1024"},
		{10, 16, 1, "LimitNOFILE="},
	} {
		got, sentence := affordable(c.asked, c.files)
		if got != c.want || (sentence == "") != (c.sentence == "") || !strings.Contains(sentence, c.sentence) {
			t.Errorf("%d connections with %d files: %d, %q; want %d and a sentence with %q",
				c.asked, c.files, got, sentence, c.want, c.sentence)
		}
	}
}
