// What somebody may have meant: the known name that is nearest to an unknown one.

package config

import (
	"slices"
	"strings"
)

// nearest returns the name that takes the fewest edits to become, else one that begins as it does, or "" if all are too far off to have been meant.
func nearest(name string, known []string) string {
	best, least := "", 1+min(3, max(1, len(name)/3))
	name = strings.ToLower(name[:min(len(name), 100)])
	for _, k := range known {
		if d := distance(name, strings.ToLower(k)); d < least {
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

// distance counts the insertions, deletions, substitutions and swaps of neighbours that make b of a (Damerau and Levenshtein; no part
// is edited twice). A hyphen for an underscore costs nothing.
func distance(a, b string) int {
	a, b = strings.ReplaceAll(a, "-", "_"), strings.ReplaceAll(b, "-", "_")
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
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
