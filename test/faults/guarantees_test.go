//go:build linux

package faults

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Who changes the name of a test that a page gives for a proof changes the page.
func TestThePagesNameTestsThatThereAre(t *testing.T) {
	t.Parallel()
	there, pages := make(map[string]bool), make(map[string][]byte)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			for _, found := range declared.FindAllSubmatch(text, -1) {
				there[string(found[1])] = true
			}
			return err
		case strings.HasSuffix(path, ".md"):
			pages[path], err = os.ReadFile(path)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	for page, text := range pages {
		for _, name := range named.FindAll(text, -1) {
			if !there[string(name)] {
				t.Errorf("%s names %s, which is no test", page, name)
			}
		}
	}
	for _, page := range []string{"guarantees.md", "brokers.md", "limits.md"} {
		if !named.Match(pages[filepath.Join("../../docs", page)]) {
			t.Errorf("docs/%s names no test", page)
		}
	}
}

func TestEveryFaultIsALineOfTheGuarantees(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(slices.Clone(faultsOfAll), oblivion) {
		if !strings.Contains(string(text), "`"+f.name+"` |") {
			t.Errorf("docs/guarantees.md has no line that ends with `%s`", f.name)
		}
	}
}
