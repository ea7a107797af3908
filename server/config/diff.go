// What changed between two configurations, and what of it a running node can take.

package config

import "reflect"

// Change is a key whose value is another one now.
type Change struct {
	Key      string
	Old, New string // as they are written; secrets are hidden, and so may look the same
	Live     bool   // a running node can take it; otherwise it takes a restart
}

// Diff returns what changed, in the order of the reference page. A list that is none and one without elements are the same.
func Diff(old, new Config) []Change {
	var changes []Change
	a, b := reflect.ValueOf(&old).Elem(), reflect.ValueOf(&new).Elem()
	for _, f := range root().values() {
		if was, is := f.in(a), f.in(b); !same(was, is) {
			changes = append(changes, Change{Key: f.path, Old: f.show(was), New: f.show(is), Live: f.live})
		}
	}
	return changes
}

func same(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// Live returns old with those values of new that a running node can take. Check it: values that suit new may contradict what stays.
func Live(old, new Config) Config {
	a, b := reflect.ValueOf(&old).Elem(), reflect.ValueOf(&new).Elem()
	for _, f := range root().values() {
		if f.live {
			f.in(a).Set(f.in(b))
		}
	}
	return old
}
