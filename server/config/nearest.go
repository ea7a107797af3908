// What somebody may have meant: the known name that is nearest to an unknown one.

package config

import (
	"slices"
	"strings"

	"github.com/ringdown/ringdown/internal/spelling"
)

// nearest returns the name that takes the fewest edits to become, else one that begins as it does, or "" if all are too far off to have been meant.
func nearest(name string, known []string) string {
	best, least := "", 1+min(3, max(1, len(name)/3))
	name = strings.ToLower(name[:min(len(name), 100)])
	for _, k := range known {
		if d := spelling.Distance(name, strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	for _, k := range known {
		if best == "" && len(k) >= 3 && len(name) >= 3 && (strings.HasPrefix(name, k) || strings.HasPrefix(k, name)) {
			best = k
		}
	}
	return best
}

// meant says which key below parent, or elsewhere, may have been meant by an unknown name.
func meant(name string, parent *field) string {
	const nested = `"? Each part of it but the last is a section, with the next one below it, indented`
	values := root().values()
	if slices.ContainsFunc(values, func(f *field) bool { return f.path == name }) {
		return `; did you mean "` + name + nested
	}
	var names []string
	for _, child := range parent.fields {
		names = append(names, child.name)
	}
	if n := nearest(name, names); n != "" {
		return `; did you mean "` + n + `"?`
	}
	if i := slices.IndexFunc(values, func(f *field) bool { return f.name == name }); i >= 0 {
		return `; did you mean "` + values[i].path + nested
	}
	return "; there are " + strings.Join(names, ", ")
}
