//go:build linux

package faults

import (
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
	there := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, folder := range []string{".", "../../broker/redis", "../../broker/nats", "../../broker/nats/embedded", "../../broker/rabbitmq", "../../gateway/socketio"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range declared.FindAllSubmatch(text, -1) {
				there[string(found[1])] = true
			}
		}
	}
	for _, page := range []string{"guarantees.md", "brokers.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllSubmatch(text, -1)
		for _, name := range named {
			if !there[string(name[1])] {
				t.Errorf("docs/%s names %s, which is no test", page, name[1])
			}
		}
		if len(named) == 0 {
			t.Errorf("docs/%s names no test", page)
		}
	}
}

// The parts of TestOverEachBroker are lines of a table.
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
