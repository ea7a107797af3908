// The schema: the keys that there are, read from the tags of Config once.

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// field is a key: a section with fields of its own, a list of elements that have fields, or a value.
type field struct {
	path    string // from the root, or from the element of the list that it belongs to
	name    string // the last part of it
	doc     string
	example string
	oneOf   []string
	need    bool  // may not be empty in an element
	live    bool  // can change while the node runs
	zero    bool  // 0 means something
	min     int64 // least number
	index   []int // where it is in Config, or in the element
	typ     reflect.Type
	fields  []*field // of a section, or of an element
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	secretType   = reflect.TypeFor[Secret]()
)

// root is the section that has all others.
var root = sync.OnceValue(func() *field {
	t := reflect.TypeFor[Config]()
	return &field{typ: t, fields: fieldsOf(t, "", nil, false)}
})

func fieldsOf(t reflect.Type, prefix string, index []int, live bool) []*field {
	var all []*field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := &field{
			name: tag.Get("key"), doc: tag.Get("doc"), example: tag.Get("example"),
			need: tag.Get("need") != "", zero: tag.Get("zero") != "", live: live || tag.Get("live") != "",
			typ: t.Field(i).Type, index: append(slices.Clone(index), i),
		}
		f.path = prefix + f.name
		if list := tag.Get("oneof"); list != "" {
			f.oneOf = strings.Split(list, ", ")
		}
		f.min, _ = strconv.ParseInt(tag.Get("min"), 10, 64)
		switch {
		case f.section():
			f.fields = fieldsOf(f.typ, f.path+".", f.index, f.live)
		case f.list():
			f.fields = fieldsOf(f.typ.Elem(), "", nil, f.live)
		}
		all = append(all, f)
	}
	return all
}

// section tells whether f is a section; list, whether it is a list of elements with fields.
func (f *field) section() bool { return f.typ.Kind() == reflect.Struct }
func (f *field) list() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// values are the fields below f that are no sections, in order. Those of the elements of lists are not among them.
func (f *field) values() []*field {
	var all []*field
	for _, child := range f.fields {
		if child.section() {
			all = append(all, child.values()...)
		} else {
			all = append(all, child)
		}
	}
	return all
}

// find returns the field directly below f of that name, or nil.
func (f *field) find(name string) *field {
	for _, child := range f.fields {
		if child.name == name {
			return child
		}
	}
	return nil
}

// in returns what f is in a Config or an element.
func (f *field) in(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

// element makes an element of a list, with its defaults.
func (f *field) element() reflect.Value {
	e := reflect.New(f.typ.Elem())
	if d, ok := e.Interface().(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
	return e.Elem()
}

// kind says in words what f takes.
func (f *field) kind() string {
	switch {
	case f.section():
		return "section"
	case f.list():
		return "list of elements"
	case f.typ.Kind() == reflect.Slice:
		return "list of texts"
	case f.typ == durationType:
		return "duration"
	case f.typ == sizeType:
		return "size"
	case f.typ == secretType:
		return "secret"
	case f.typ.Kind() == reflect.Bool:
		return "true or false"
	case f.typ.Kind() == reflect.Int:
		return "number"
	case f.typ.Kind() == reflect.Float64:
		return "share"
	}
	return "text"
}

// show writes a value as YAML on one line. Secrets are hidden.
func (f *field) show(v reflect.Value) string {
	switch {
	case f.list():
		var elements []string
		for i := range v.Len() {
			elements = append(elements, showFields(f.fields, v.Index(i)))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case f.typ.Kind() == reflect.Slice:
		var texts []string
		for _, text := range v.Interface().([]string) {
			texts = append(texts, quote(text))
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case f.typ == durationType:
		return formatDuration(v.Interface().(time.Duration))
	case f.typ.Kind() == reflect.String && f.typ != secretType:
		return quote(masked(v.String()))
	}
	if v.Kind() == reflect.String && v.Len() == 0 {
		return `""`
	}
	return fmt.Sprint(v.Interface())
}

// showFields writes those fields of an element that are not zero.
func showFields(fields []*field, v reflect.Value) string {
	var shown []string
	for _, f := range fields {
		value := f.in(v)
		switch {
		case value.IsZero():
		case f.section():
			shown = append(shown, f.name+": "+showFields(f.fields, v))
		default:
			shown = append(shown, f.name+": "+f.show(value))
		}
	}
	return "{" + strings.Join(shown, ", ") + "}"
}

// elementValues are the values of an element.
func (f *field) elementValues() []*field { return (&field{fields: f.fields}).values() }

// quote writes a text so that YAML takes it for one.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '/' || r == '.'
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 && strings.Trim(text, "/._") == text &&
		!slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text)
}

// environmentName is the variable that sets a key.
func environmentName(path string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
