// Walking through a YAML document: on which line each key stands, and whether there is such a key.

package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxProblems is how many mistakes are told before the unknown keys that follow are passed over: whoever made more has named the wrong
// file.
const maxProblems = 100

// walk notes the lines of a section's keys, and refuses those that are unknown. lines may be nil.
func (l *loader) walk(n *yaml.Node, section *field, prefix, where string, lines map[string]int) {
	if n.Kind == yaml.AliasNode {
		return // its anchor was walked through where it stands; its keys are decoded all the same
	}
	if n.Tag == "!!null" {
		return
	}
	at, line := position(n, where, lines)
	if n.Kind != yaml.MappingNode {
		key := strings.TrimSuffix(prefix, ".")
		if key == "" {
			key = "the file"
		}
		l.refuse(at, line, key, "is no section; write its keys below it, indented, each as key: value")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Tag == "!!merge" {
			continue
		}
		if len(l.problems) >= maxProblems {
			return
		}
		f := section.find(name.Value)
		if f == nil {
			at, line := position(name, where, lines)
			l.refuse(at, line, "", "the key %.60q is unknown%s", prefix+name.Value, meant(name.Value, section))
			continue
		}
		path := prefix + f.name
		if lines != nil {
			lines[path] = name.Line
		}
		switch {
		case f.section():
			l.walk(value, f, path+".", where, lines)
		case f.typ.Kind() == reflect.Slice:
			l.walkList(value, f, path, where, lines)
		}
	}
}

// position is where n stands, in words, and its line, which is 0 outside a file.
func position(n *yaml.Node, where string, lines map[string]int) (string, int) {
	if lines == nil {
		return where, 0
	}
	return fmt.Sprintf("%s:%d", where, n.Line), n.Line
}

// walkList does the same for the elements of a list.
func (l *loader) walkList(n *yaml.Node, f *field, path, where string, lines map[string]int) {
	if n.Kind != yaml.SequenceNode {
		return // decoding says what is wrong
	}
	for i, element := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if lines != nil {
			lines[at] = element.Line
		}
		if f.list() && element.Kind == yaml.MappingNode {
			l.walk(element, f, at+".", where, lines)
		}
	}
}

// nearestLine is the line of a key, or of the section or list that it belongs to.
func nearestLine(lines map[string]int, path string) int {
	for path != "" {
		if line, ok := lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

// quotations are what a parser quotes of a file. It may be a secret that is written without quotes and begins with * or !.
var quotations = regexp.MustCompile("(?s)anchor '.*'|`.*`")

// yamlError is a parser's error in one line, without its name and without what it quotes.
func yamlError(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = quotations.ReplaceAllStringFunc(text, func(quoted string) string {
		if strings.HasPrefix(quoted, "anchor") {
			return "anchor " + hidden
		}
		return hidden
	})
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// discovered are the variables that Kubernetes and Docker set in every container beside a service called "ringdown".
var discovered = regexp.MustCompile(`^RINGDOWN_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME|ENV_.*)$`)

func meantVariable(name string, names []string) string {
	if n := nearest(name, names); n != "" {
		return "; did you mean " + n + "?"
	}
	return "; `ringdown config reference` lists those that there are"
}

func meantPath(path string) string {
	var paths []string
	for _, f := range root().values() {
		if strings.HasSuffix(f.path, "."+path) {
			return `; did you mean "` + f.path + `"?`
		}
		paths = append(paths, f.path)
	}
	if n := nearest(path, paths); n != "" {
		return `; did you mean "` + n + `"?`
	}
	return "; `ringdown config reference` lists those that there are"
}
