// Decoding: from what a source says to a value of the type that the key has.

package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder decodes the value of one key. Whatever is wrong goes to refuse.
type decoder struct {
	text   bool // the source knows texts only
	walk   func(*yaml.Node)
	refuse func(key, text string)
}

// decode sets v, and reports whether nothing was wrong.
func (d *decoder) decode(f *field, v reflect.Value, raw any, key string) bool {
	if f.typ.Kind() == reflect.Slice {
		return d.decodeList(f, v, raw, key)
	}
	var text string
	switch raw := raw.(type) {
	case string:
		text = raw
	case bool, int, int64, uint64, float64:
		if f.typ.Kind() == reflect.String {
			d.refuse(key, fmt.Sprintf("is %v, and takes a text; write it in quotes, as %q", d.shown(f, raw), d.shown(f, raw)))
			return false
		}
		text = fmt.Sprint(raw)
		if n, ok := raw.(float64); ok {
			text = strconv.FormatFloat(n, 'f', -1, 64)
		}
	case time.Time:
		d.refuse(key, "is a date, and takes a "+f.kind()+"; write it in quotes if a text is meant")
		return false
	default:
		d.refuse(key, fmt.Sprintf("is %s, and takes %s", shape(raw), f.expected()))
		return false
	}
	if err := parse(f, v, text); err != nil {
		d.refuse(key, err.Error())
		return false
	}
	return true
}

func (d *decoder) shown(f *field, raw any) string {
	if f.typ == secretType {
		return hidden
	}
	return fmt.Sprint(raw)
}

// parse sets v to what a text says. The error is a sentence without its subject.
func parse(f *field, v reflect.Value, text string) error {
	switch {
	case f.typ == durationType:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case f.typ == sizeType:
		s, err := parseSize(text)
		if err != nil && strings.HasPrefix(strings.TrimSpace(text), "-") {
			return fmt.Errorf("is %.40s; give it a positive number of bytes", text)
		} else if err != nil {
			return err
		}
		v.SetInt(int64(s))
	case f.typ.Kind() == reflect.Int:
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("is %.40q, and takes a whole number", text)
		}
		v.SetInt(int64(n))
	case f.typ.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(n >= 0 && n <= 1) {
			return fmt.Errorf("is %.40q, and takes a share from 0 to 1, as 0.05", text)
		}
		v.SetFloat(n)
	case f.typ.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("is %.40q, and takes true or false", text)
		}
		v.SetBool(text == "true")
	default:
		v.SetString(text)
	}
	return nil
}

// expected is kind with an example where one helps.
func (f *field) expected() string {
	switch f.kind() {
	case "duration":
		return `a duration such as "30s"`
	case "size":
		return `a size such as 65536 or "64KiB"`
	case "number":
		return "a whole number"
	case "share":
		return "a share from 0 to 1, as 0.05"
	case "true or false":
		return "true or false"
	case "list of texts":
		return `a list, as in ["a", "b"]`
	case "list of elements":
		var names []string
		for _, child := range f.fields {
			names = append(names, child.name)
		}
		return "a list whose elements have " + strings.Join(names, ", ")
	}
	return "a " + f.kind()
}

// decodeList sets v to the elements of a list. A text is a YAML list, or texts with commas between them.
func (d *decoder) decodeList(f *field, v reflect.Value, raw any, key string) bool {
	if text, ok := raw.(string); ok && d.text {
		var ok bool
		if raw, ok = d.parseList(f, text, key); !ok {
			return false
		}
	}
	var elements []any
	switch raw := raw.(type) {
	case []any:
		elements = raw
	case []string:
		for _, text := range raw {
			elements = append(elements, text)
		}
	default:
		d.refuse(key, fmt.Sprintf("is %s, and takes %s", shape(raw), f.expected()))
		return false
	}
	list := reflect.MakeSlice(f.typ, 0, len(elements))
	good := true
	for i, raw := range elements {
		at := fmt.Sprintf("%s[%d]", key, i)
		var element reflect.Value
		if f.list() {
			element = f.element()
			good = d.decodeElement(f, element, raw, at) && good
		} else {
			element = reflect.New(f.typ.Elem()).Elem()
			good = d.decode(&field{typ: f.typ.Elem()}, element, raw, at) && good
		}
		list = reflect.Append(list, element)
	}
	if good {
		v.Set(list)
	}
	return good
}

// parseList reads a list that is written as a text.
func (d *decoder) parseList(f *field, text, key string) (any, bool) {
	text = strings.TrimSpace(text)
	if !f.list() && !strings.HasPrefix(text, "[") {
		var elements []any
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				elements = append(elements, part)
			}
		}
		return elements, true
	}
	var node yaml.Node
	var raw any
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		d.refuse(key, "is no YAML: "+yamlError(err))
		return nil, false
	}
	if err := node.Decode(&raw); err != nil {
		d.refuse(key, "is no YAML: "+yamlError(err))
		return nil, false
	}
	if len(node.Content) > 0 {
		d.walk(node.Content[0])
	}
	return raw, true
}

// decodeElement sets the fields of an element; unknown ones were refused before.
func (d *decoder) decodeElement(f *field, v reflect.Value, raw any, key string) bool {
	fields, ok := raw.(map[string]any)
	if !ok {
		d.refuse(key, fmt.Sprintf("is %s, and takes keys and values: %s", shape(raw), strings.TrimPrefix(f.expected(), "a list whose elements have ")))
		return false
	}
	good := true
	for _, child := range f.elementValues() {
		value := any(fields)
		for name := range strings.SplitSeq(child.path, ".") {
			below, _ := value.(map[string]any)
			value = below[name]
		}
		if value != nil {
			good = d.decode(child, child.in(v), value, key+"."+child.path) && good
		}
	}
	return good
}

// shape says what something is that has the wrong type. It does not repeat it: it may be long, or secret.
func shape(raw any) string {
	switch raw.(type) {
	case nil:
		return "empty"
	case map[string]any, map[any]any:
		return "a section"
	case []any, []string:
		return "a list"
	case string:
		return "a text"
	case bool:
		return "true or false"
	}
	return "a single value"
}
