// What is printed: the defaults, the values that hold, and the reference page.

package config

import (
	"fmt"
	"reflect"
	"strings"
)

// lineLength is where comments are broken, in columns.
const lineLength = 110

// Defaults is a configuration file that says what holds without one. Each key has its meaning above it; keys of which there may be
// several, such as rules, are shown in comments.
func Defaults() string {
	var b strings.Builder
	b.WriteString("# What a node does that is told nothing. Keys that are left out are as here; ringdown config check FILE\n" +
		"# tells what is wrong with a file. Durations: 30s, 5m, 1h30m. Sizes: bytes, or 64KiB, 10MB.\n")
	d := Default()
	writeSection(&b, root(), reflect.ValueOf(&d).Elem(), "")
	return b.String()
}

func writeSection(b *strings.Builder, section *field, v reflect.Value, indent string) {
	for _, f := range section.fields {
		if indent == "" || f.section() {
			b.WriteByte('\n')
		}
		writeComment(b, indent+"# ", f.comment(""))
		switch {
		case f.section():
			fmt.Fprintf(b, "%s%s:\n", indent, f.name)
			writeSection(b, f, v, indent+"  ")
		default:
			fmt.Fprintf(b, "%s%s: %s\n", indent, f.name, f.given(f.in(v)))
		}
		if f.list() {
			writeElement(b, f, indent)
		}
	}
}

// given is the value to show for a key: its default, or a sample where it must be given.
func (f *field) given(v reflect.Value) string {
	switch {
	case !f.need:
		return f.show(v)
	case f.typ.Kind() == reflect.Slice:
		return "[" + f.sample() + "]"
	}
	return f.sample()
}

// writeElement shows, in comments, what an element of a list has.
func writeElement(b *strings.Builder, list *field, indent string) {
	var fields strings.Builder
	writeSection(&fields, &field{fields: list.fields}, list.element(), " ")
	writeComment(b, indent+"# ", "Each has, with what a key is when it is left out:")
	mark := "- "
	for line := range strings.Lines(fields.String()) {
		text := strings.TrimPrefix(line, " ")
		switch {
		case text == "\n":
			continue
		case mark == "- " && strings.HasPrefix(text, "#"):
			fmt.Fprintf(b, "%s#   %s", indent, text)
		default:
			fmt.Fprintf(b, "%s#   %s%s", indent, mark, text)
			mark = "  "
		}
	}
}

// comment is what a key means, which words it takes, and an example with code before and after it.
func (f *field) comment(code string) string {
	text := f.doc
	if len(f.oneOf) > 0 && f.typ.Kind() == reflect.String {
		text += " (" + strings.Join(f.oneOf, ", ") + ")"
	} else if len(f.oneOf) > 0 {
		text += " (of " + strings.Join(f.oneOf, ", ") + ")"
	}
	if code != "" {
		text = strings.NewReplacer("*", `\*`, "|", `\|`, "[", `\[`).Replace(text)
	}
	if f.example != "" {
		text += "; for instance " + code + f.example + code
	}
	return text
}

// writeComment breaks text into lines that begin with mark.
func writeComment(b *strings.Builder, mark, text string) {
	line := mark
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(mark) && len(line)+len(word) > lineLength {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = mark
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// Value is one key as it holds.
type Value struct {
	Key    string
	Value  string // as it is written in YAML, on one line; secrets are hidden
	Source string // as [Loaded.Source]
}

// Values are all keys but those of elements, in the order of the reference page.
func (l *Loaded) Values() []Value { return Values(l.Config, l.Source) }

// Values are those of a configuration, whose values come from where source says.
func Values(c Config, source func(key string) string) []Value {
	var all []Value
	v := reflect.ValueOf(&c).Elem()
	for _, f := range root().values() {
		all = append(all, Value{f.path, f.show(f.in(v)), source(f.path)})
	}
	return all
}

const referenceHead = `# Configuration

<!-- Made by "ringdown config reference" from server/config; do not edit. -->

A node is told what to do by, the later winning over the earlier:

1. its defaults: reachable from this machine only, read-only, closed to pages of other origins;
2. a YAML file, named with ` + "`--config`" + ` or ` + "`RINGDOWN_CONFIG`" + `;
3. the environment: the key in capitals, with ` + "`RINGDOWN_`" + ` before it and ` + "`_`" + ` for each dot. Lists of texts are written with commas,
   other lists as YAML: ` + "`RINGDOWN_RULES='[{pattern: \"chat:*\", publish: users}]'`" + `. A variable that is empty counts as one that is not there;
4. flags: a few keys have one of their own, and ` + "`--set KEY=VALUE`" + ` sets any, written as in the environment.

Unknown keys and variables are refused, with the name that is nearest; so are values that contradict each other. All mistakes are told
at once.

    ringdown config defaults > ringdown.yaml   a file to begin with
    ringdown config check ringdown.yaml        what is wrong with a file
    ringdown config show --config ringdown.yaml   every value that holds, and where it comes from
    kill -HUP PID                              read the configuration again

On SIGHUP a node reads its file again and takes what is marked **live** below; the log tells each change, and which take a restart. A
file with mistakes changes nothing. Clients that are connected stay, also where they would be refused now; a channel that has subscribers
keeps for them, until the last has gone, what it had of presence, of the last publication and of what happens to slow ones.

Durations are written ` + "`30s`, `5m`, `1h30m`" + `; sizes as a number of bytes or ` + "`64KiB`, `10MB`" + `. Secrets belong into files of their own
(` + "`secret_file`" + `) or into the environment; wherever a configuration is printed they are shown as … .

`

// Reference is the reference page, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	d := Default()
	v := reflect.ValueOf(&d).Elem()
	flags := make(map[string]string)
	for name, key := range flagKeys {
		flags[key] = name
	}
	b.WriteString("## Keys of their own\n\n")
	b.WriteString(tableHead)
	for _, f := range root().fields {
		if !f.section() && !f.list() {
			f.row(&b, f.in(v), flags[f.path])
		}
	}
	for _, f := range root().fields {
		switch {
		case f.section():
			fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n%s", f.path, sentence(f.doc), tableHead)
			for _, child := range f.values() {
				child.row(&b, child.in(v), flags[child.path])
			}
			for _, child := range f.values() {
				child.elements(&b)
			}
		case f.list():
			fmt.Fprintf(&b, "\n## %s\n\n%s. **live**\n", f.path, sentence(f.doc))
			f.elements(&b)
		}
	}
	return b.String()
}

const tableHead = "| key | type | default | |\n|---|---|---|---|\n"

// row is the line of a key in a table.
func (f *field) row(b *strings.Builder, v reflect.Value, flag string) {
	text := sentence(f.comment("`")) + "."
	if flag != "" {
		text += " Flag: `--" + flag + "`."
	}
	if f.live {
		text += " **live**"
	}
	shown := "`" + f.show(v) + "`"
	if f.need {
		shown = "must be given"
	} else if shown == "`\"\"`" {
		shown = ""
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.path, f.kind(), shown, text)
}

// elements is a table of what an element of a list has.
func (f *field) elements(b *strings.Builder) {
	if !f.list() {
		return
	}
	fmt.Fprintf(b, "\nEach of `%s`:\n\n%s", f.path, tableHead)
	element := f.element()
	for _, child := range f.elementValues() {
		named := *child
		named.live = false // the list as a whole is, or not
		named.row(b, child.in(element), "")
	}
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
