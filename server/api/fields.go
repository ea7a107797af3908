// The fields of what is asked, by the names that they have and by no other: package json takes a name in any case, and the last of
// several, so that whoever looks at a request on its way might read another one than we do.

package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// checkFields refuses fields of a JSON value that the type it was read into does not have, or that are there twice. What the type leaves
// as it is, such as payloads, may hold anything.
func checkFields(value []byte, t reflect.Type) error {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice:
		return checkElements(value, t.Elem())
	case reflect.Struct:
		return checkObject(value, fieldsOf(t))
	}
	return nil
}

func checkElements(array []byte, t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(array, &all) != nil {
		return nil // it is null: it was read already
	}
	for _, one := range all {
		if err := checkFields(one, t); err != nil {
			return err
		}
	}
	return nil
}

func checkObject(object []byte, fields map[string]reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil // as above
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return unreadable(err)
		}
		name, _ := token.(string)
		field, known := fields[name]
		switch {
		case !known:
			return hub.Errorf(hub.BadRequest, "there is no field %.40q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		case seen[name]:
			return hub.Errorf(hub.BadRequest, "the field %q is there twice; give it once", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return unreadable(err)
		}
		if err := checkFields(value, field); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf are the types of a struct's fields by the names that JSON has for them, those of embedded structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[name] = f.Type
		}
	}
	return fields
}
