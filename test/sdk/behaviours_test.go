//go:build linux

package sdk

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBehavioursThatAreListedAreTested checks that every test that docs/client-behaviours.md names is there.
func TestBehavioursThatAreListedAreTested(t *testing.T) {
	list, err := os.ReadFile("../../docs/client-behaviours.md")
	if err != nil {
		t.Fatal(err)
	}
	inGo := sources(t, "../../client/*_test.go", "*_test.go")
	inScript := sources(t, "../../sdk/js/test/*.test.ts")
	rows := 0
	for line := range strings.Lines(string(list)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, named := range regexp.MustCompile("`([^`]+)` (?:\\||$)").FindAllStringSubmatch(line, -1) {
			rows++
			name := named[1]
			if strings.HasPrefix(name, "Test") && !strings.Contains(inGo, "func "+name+"(") {
				t.Errorf("there is no %s in client or test/sdk", name)
			}
			if !strings.HasPrefix(name, "Test") && !strings.Contains(inScript, "('"+name+"'") && !strings.Contains(inScript, `("`+name+`"`) {
				t.Errorf("there is no test %q in sdk/js/test", name)
			}
		}
	}
	if rows < 30 {
		t.Errorf("the list names %d tests; has its form changed?", rows)
	}
}

// sources are the texts of all files that match.
func sources(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
	}
	return all.String()
}
