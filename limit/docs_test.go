package limit

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// Every field of Limits has a row in docs/security.md, with its default and a test that is there.
func TestTheSecurityPageHasEveryLimit(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	files, _ := filepath.Glob("*_test.go")
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(source)
	}
	fields := leaves("", reflect.ValueOf(Default()))
	for name, value := range fields {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "` \\| (.*?) \\| .* \\| `(.*?)` \\|$").FindSubmatch(page)
		switch {
		case row == nil:
			t.Errorf("%s has no row", name)
		case string(row[1]) != value:
			t.Errorf("the default of %s is %s, the page says %s", name, value, row[1])
		case !strings.Contains(tests.String(), fmt.Sprintf("func %s(", row[2])):
			t.Errorf("%s is crossed by %s, which is not there", name, row[2])
		}
	}
	if rows := regexp.MustCompile("(?m)^\\| `[a-z_.]+` \\|.*`Test").FindAll(page, -1); len(rows) != len(fields) {
		t.Errorf("the page has %d limits, the struct %d", len(rows), len(fields))
	}
	for _, name := range names {
		if _, ok := fields[name]; !ok {
			t.Errorf("refusals name %s, which is no field", name)
		}
	}
}

// leaves are the fields of v and of the structs in it, by name, as the page writes them.
func leaves(prefix string, v reflect.Value) map[string]string {
	all := make(map[string]string)
	for i := range v.NumField() {
		name := prefix + snake(v.Type().Field(i).Name)
		switch field := v.Field(i).Interface().(type) {
		case Rate:
			all[name] = fmt.Sprintf("%.0f/s, %d at once", field.PerSecond, field.Burst)
		case Rates, Sessions, Connections, Patience:
			for inner, value := range leaves(name+".", v.Field(i)) {
				all[inner] = value
			}
		default:
			all[name] = fmt.Sprint(field)
		}
	}
	return all
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
