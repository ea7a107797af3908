package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

func TestReferencePageIsUpToDate(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(content), Reference()); diff != "" {
		t.Errorf("%s is out of date; run go test ./server/config -run ReferencePage -update\n%s", page, diff)
	}
}

// load reads a file with that content.
func load(t *testing.T, content string) (*Loaded, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ringdown.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: name})
}

func TestPrintedDefaultsAreTheDefaults(t *testing.T) {
	loaded, err := load(t, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if changes := Diff(Default(), loaded.Config); changes != nil {
		t.Errorf("they differ: %+v", changes)
	}
	for _, v := range loaded.Values() {
		if v.Source == "default" {
			t.Errorf("%s is missing", v.Key)
		}
	}
	for line := range strings.Lines(Defaults()) {
		if len(line) > 140 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}

// TestPrintedElementsAreElements takes the examples out of their comments.
func TestPrintedElementsAreElements(t *testing.T) {
	for _, f := range root().values() {
		if !f.list() {
			continue
		}
		var b strings.Builder
		writeElement(&b, f, "")
		content := f.name + ":\n"
		for line := range strings.Lines(b.String()) {
			content += strings.TrimPrefix(line, "#")
		}
		content = strings.Replace(content, " Each has", "# Each has", 1)
		for i, name := range slices.Backward(strings.Split(f.path, ".")) {
			if i < strings.Count(f.path, ".") {
				content = name + ":\n  " + strings.ReplaceAll(content, "\n", "\n  ")
			}
		}
		l := &loader{}
		name := filepath.Join(t.TempDir(), "ringdown.yaml")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded := &Loaded{Config: Default(), sources: make(map[string]string)}
		if err := l.readFile(name); err != nil {
			t.Fatal(err)
		}
		l.take(f, loaded)
		if len(l.problems) > 0 || f.in(reflect.ValueOf(loaded.Config)).Len() != 1 {
			t.Errorf("%s: %v\n%s", f.path, l.problems, content)
		}
	}
}

// another is a value that a key can have and by default has not, as text.
func another(f *field, v reflect.Value) string {
	switch f.kind() {
	case "true or false":
		return fmt.Sprint(!v.Bool())
	case "number", "size":
		return fmt.Sprint(v.Int() + 4097)
	case "duration":
		return "17s"
	case "share":
		return "0.25"
	case "list of texts":
		return "[other]"
	case "list of elements":
		return "[{}]"
	case "text":
		for _, word := range f.oneOf {
			if word != v.String() {
				return word
			}
		}
	}
	return "other"
}

func TestEveryKeyIsSetByEachSource(t *testing.T) {
	for _, f := range root().values() {
		d := Default()
		value := another(f, f.in(reflect.ValueOf(d)))
		flags := func(args ...string) *pflag.FlagSet {
			set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
			AddFlags(set)
			if err := set.Parse(args); err != nil {
				t.Fatal(err)
			}
			return set
		}
		depth, file := strings.Split(f.path, "."), ""
		for i, name := range depth {
			file += strings.Repeat("  ", i) + name + ":"
			if i < len(depth)-1 {
				file += "\n"
			}
		}
		name := filepath.Join(t.TempDir(), "ringdown.yaml")
		if err := os.WriteFile(name, []byte(file+" "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			source string
			read   func(*loader)
		}{
			{fmt.Sprintf("%s:%d", name, len(depth)), func(l *loader) { l.readFile(name) }},
			{environmentName(f.path), func(l *loader) { l.readEnvironment([]string{environmentName(f.path) + "=" + value}) }},
			{"--set " + f.path, func(l *loader) { l.readFlags(flags("--set", f.path+"="+value)) }},
		} {
			l, loaded := &loader{}, &Loaded{Config: Default(), sources: make(map[string]string)}
			c.read(l)
			l.take(f, loaded)
			changes := Diff(Default(), loaded.Config)
			if len(l.problems) > 0 || len(changes) != 1 || changes[0].Key != f.path || loaded.Source(f.path) != c.source {
				t.Errorf("%s from %s: %v, changed %+v from %s", f.path, c.source, l.problems, changes, loaded.Source(f.path))
			}
		}
	}
	for name, key := range flagKeys {
		if !slices.ContainsFunc(root().values(), func(f *field) bool { return f.path == key }) {
			t.Errorf("--%s sets %q, which is no key", name, key)
		}
	}
}

func TestEveryKeyHasANameOfItsOwnAndAMeaning(t *testing.T) {
	variables := map[string]string{FileVariable: "the file"}
	var check func(fields []*field)
	check = func(fields []*field) {
		for _, f := range fields {
			if f.name == "" || f.doc == "" || strings.ToLower(f.name) != f.name || strings.ContainsAny(f.name, ".-[ ") {
				t.Errorf("%q: the name or the meaning is missing, or the name is not plain", f.path)
			}
			check(f.fields)
		}
	}
	check(root().fields)
	for _, f := range root().values() {
		variable := environmentName(f.path)
		if other := variables[variable]; other != "" || discovered.MatchString(variable) {
			t.Errorf("%s is both %s and %s", variable, f.path, other)
		}
		variables[variable] = f.path
	}
	d := Default()
	if err := d.Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestNearestName(t *testing.T) {
	known := []string{"limits", "listen", "message_size", "messages", "auth", "api"}
	for name, want := range map[string]string{
		"limts": "limits", "Limits": "limits", "lisetn": "listen", "message-size": "message_size", "mesagesize": "message_size",
		"authentication": "auth", "message": "messages", "zebra": "", "x": "", "": "", strings.Repeat("limits", 1000): "",
	} {
		if got := nearest(name, known); got != want && len(name) < 100 {
			t.Errorf("%q is taken for %q, want %q", name, got, want)
		}
	}
}
