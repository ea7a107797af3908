package server_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/config"
)

// docs/limits.md has a row for each key that bounds or forbids something, and names tests that are there and metrics that are counted.
func TestThePageOfLimitsHasEveryBoundAndATestThatCrossesIt(t *testing.T) {
	page, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(page), -1) {
		if rows[row[1]] != "" {
			t.Errorf("%s has two rows", row[1])
		}
		rows[row[1]] = row[2]
	}
	var keys []string
	whole := reflect.TypeFor[config.Config]()
	for _, section := range []string{"Limits", "KeepAlive", "Rules", "Auth", "Backend"} {
		field, ok := whole.FieldByName(section)
		if !ok {
			t.Fatalf("the configuration has no %s any more", section)
		}
		keys = append(keys, keysOf(field)...)
	}
	if len(keys) < 60 {
		t.Errorf("only %d keys were found: %q", len(keys), keys)
	}
	for _, key := range keys {
		if rows[key] == "" {
			t.Errorf("%s has no row; say what happens beyond it, and name a test that goes there", key)
			continue
		}
		checkRow(t, key, rows[key])
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("the page has %s, the configuration has not", key)
	}
	operations, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range regexp.MustCompile("ringdown_[a-z_]+").FindAllString(string(page), -1) {
		if !strings.Contains(string(operations), "`"+metric+"`") {
			t.Errorf("%s is no metric", metric)
		}
	}
}

// keysOf are the keys of a field and of what is in it, as the page writes them: an element of a list is [].
func keysOf(field reflect.StructField) (keys []string) {
	name, inner := field.Tag.Get("key"), field.Type
	if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
		name, inner = name+"[]", inner.Elem()
	}
	if inner.Kind() != reflect.Struct {
		return []string{name}
	}
	for i := range inner.NumField() {
		for _, key := range keysOf(inner.Field(i)) {
			keys = append(keys, name+"."+key)
		}
	}
	return keys
}

// checkRow looks for the tests that a row names: the folder of a package, a dot, and a function.
func checkRow(t *testing.T, key, row string) {
	t.Helper()
	named := regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(row, -1)
	if len(named) == 0 {
		t.Errorf("%s names no test", key)
	}
	for _, one := range named {
		files, err := filepath.Glob(filepath.Join("..", one[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(source), "func "+one[2]+"(")
		}
		if !found {
			t.Errorf("%s is said to be crossed by %s in %s, which is not there", key, one[2], one[1])
		}
	}
}
