// The arguments of events and acknowledgements: decoded into what a program asks for, and encoded from what it gives.

package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Args are the arguments that came with an event or an acknowledgement. They are the program's own, and not changed by anybody.
type Args struct {
	elements    [][]byte
	attachments [][]byte
}

// Len is how many arguments there are.
func (a Args) Len() int { return len(a.elements) }

// Decode stores the arguments in what targets point to, as [json.Unmarshal] does; bytes go into a []byte or, anywhere within a value, into
// []byte, [Bytes] or any. There may be more arguments than targets. With fewer, or one of another type, the error names the first that is wrong.
func (a Args) Decode(targets ...any) error {
	if len(targets) > len(a.elements) {
		return tooFew(len(a.elements), len(targets))
	}
	for i, target := range targets {
		if err := a.decode(i, target); err != nil {
			return err
		}
	}
	return nil
}

// JSON is argument i as JSON, in which bytes are strings in base64. It panics if there are not as many.
func (a Args) JSON(i int) json.RawMessage {
	return packet.Fill(a.elements[i], a.attachments, appendBase64)
}

// Bytes are those that argument i is; ok is false if it is something else. It panics if there are not as many.
func (a Args) Bytes(i int) (b []byte, ok bool) {
	num, ok := packet.Placeholder(a.elements[i], len(a.attachments))
	if !ok {
		return nil, false
	}
	return a.attachments[num], true
}

func appendBase64(b, attachment []byte) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, '"'), attachment)
	return append(b, '"')
}

func (a Args) decode(i int, target any) error {
	content, is := a.Bytes(i)
	switch to := target.(type) {
	case *[]byte:
		if !is {
			return &wrongArguments{fmt.Sprintf("argument %d is %s; bytes are expected", i+1, kindOf(a.elements[i])), nil}
		}
		*to = content
		return nil
	case *Args:
		*to = Args{a.elements[i : i+1], a.attachments}
		return nil
	case *any:
		*to = a.dynamic(i)
		return nil
	case *json.RawMessage: // as it is: the JSON was checked when it came
		*to = slices.Clip(a.JSON(i))
		return nil
	}
	if err := json.Unmarshal(a.JSON(i), target); err != nil {
		what := kindOf(a.elements[i])
		if is {
			what = "bytes"
		}
		return unfit(i, what, err)
	}
	return nil
}

func tooFew(came, want int) error {
	return &wrongArguments{fmt.Sprintf("%d arguments came; %d are expected", came, want), nil}
}

// unfit says of an argument that it cannot be decoded; to the client in the words of JSON.
func unfit(i int, what string, err error) error {
	told := fmt.Sprintf("argument %d is %s, which is not taken", i+1, what)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if told = fmt.Sprintf("argument %d is %s; %s is expected", i+1, what, wanted(wrong.Type)); wrong.Field != "" {
			told = fmt.Sprintf("argument %d: %s is expected of its member %q", i+1, wanted(wrong.Type), wrong.Field)
		}
	}
	return &wrongArguments{told, err}
}

// wanted names the JSON that becomes a type.
func wanted(t reflect.Type) string {
	switch k := t.Kind(); {
	case k == reflect.String:
		return "a string"
	case k == reflect.Bool:
		return "a boolean"
	case k >= reflect.Int && k <= reflect.Uintptr:
		return "a whole number in range"
	case k == reflect.Float32 || k == reflect.Float64:
		return "a number"
	case k == reflect.Slice || k == reflect.Array:
		return "an array"
	case k == reflect.Struct || k == reflect.Map:
		return "an object"
	}
	return "something else"
}

// kindOf names what a JSON value is.
func kindOf(b []byte) string {
	switch b[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// dynamic is argument i as encoding/json decodes it into any, with bytes as []byte.
func (a Args) dynamic(i int) any {
	if content, is := a.Bytes(i); is {
		return content
	}
	if len(a.attachments) == 0 {
		var v any
		json.Unmarshal(a.elements[i], &v) // it is valid
		return v
	}
	var marked [][]byte
	text := packet.Fill(a.elements[i], a.attachments, func(b, attachment []byte) []byte {
		marked = append(marked, attachment)
		return packet.AppendPlaceholder(b, len(marked)-1)
	})
	var v any
	json.Unmarshal(text, &v)
	return fill(v, marked)
}

func fill(v any, attachments [][]byte) any {
	switch v := v.(type) {
	case map[string]any:
		if v["_placeholder"] == true {
			if num, ok := v["num"].(float64); ok && int(num) < len(attachments) {
				return attachments[int(num)]
			}
		}
		for key, member := range v {
			v[key] = fill(member, attachments)
		}
	case []any:
		for i := range v {
			v[i] = fill(v[i], attachments)
		}
	}
	return v
}

// Bytes are bytes within a value that is sent, which a Socket.IO client gets as bytes: an ArrayBuffer, or a Buffer. An argument that is
// nothing but bytes may as well be a []byte; within other types, encoding/json makes a base64 string of []byte.
type Bytes []byte

// MarshalJSON writes an object {"base64":"…"}, which is what clients of other protocols see.
func (b Bytes) MarshalJSON() ([]byte, error) {
	text := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(b))+14), `{"base64":`...)
	return append(appendBase64(text, b), '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes, a base64 string, or null.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var o struct {
			Base64 []byte `json:"base64"`
		}
		err := json.Unmarshal(text, &o)
		*b = o.Base64
		return err
	}
	return json.Unmarshal(text, (*[]byte)(b))
}

// arguments are what is sent with an event: JSON side by side, in which placeholders stand for attachments.
type arguments struct {
	text        []byte // `"a",{"b":1}`
	attachments [][]byte
}

// encode encodes arguments for one packet, which has at most so many attachments; bytes are copied. The error tells which argument cannot be sent.
func encode(args []any, most int) (e arguments, err error) {
	for i, arg := range args {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		if b, ok := plainBytes(arg); ok {
			e.text = packet.AppendPlaceholder(e.text, len(e.attachments))
			e.attachments = append(e.attachments, bytes.Clone(b))
			continue
		}
		text, embeds, err := marshal(arg)
		if err != nil {
			return arguments{}, fmt.Errorf("socketio: argument %d cannot be sent: %w", i+1, err)
		}
		if embeds {
			var found [][]byte
			text, found = packet.Extract(text, len(e.attachments), len(text))
			e.attachments = append(e.attachments, found...)
		}
		e.text = append(e.text, text...)
	}
	return e, checkAttachments(len(e.attachments), most)
}

// checkAttachments refuses more attachments than clients take, which would disconnect, and again with each attempt to recover.
func checkAttachments(n, most int) error {
	if n > most {
		return hub.Errorf(hub.TooLarge, "the event has %d attachments, and clients take %d; put several into one", n, most)
	}
	return nil
}

func plainBytes(arg any) ([]byte, bool) {
	switch b := arg.(type) {
	case []byte:
		return b, true
	case Bytes:
		return b, true
	}
	return nil, false
}

// marshal writes a value as JSON, and tells whether there are [Bytes] in it.
func marshal(v any) (text []byte, embeds bool, err error) {
	switch v := v.(type) {
	case nil:
		return []byte("null"), false, nil
	case string:
		return message.AppendString(nil, v), false, nil
	case json.RawMessage:
		var compact bytes.Buffer
		err := json.Compact(&compact, v)
		return compact.Bytes(), false, err
	}
	if changed, ok := withBytes(v); ok {
		v = changed
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, false, err
	}
	text = bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
	return text, bytes.Contains(text, []byte(`{"base64":`)) && holdsBytes(reflect.ValueOf(v), 0), nil
}

// withBytes turns the []byte in maps and slices of any into [Bytes].
func withBytes(v any) (any, bool) {
	switch v := v.(type) {
	case []byte:
		return Bytes(v), true
	case map[string]any:
		var changed map[string]any
		for key, member := range v {
			if other, ok := withBytes(member); ok {
				if changed == nil {
					changed = make(map[string]any, len(v))
					for k, m := range v {
						changed[k] = m
					}
				}
				changed[key] = other
			}
		}
		return changed, changed != nil
	case []any:
		var changed []any
		for i, element := range v {
			if other, ok := withBytes(element); ok {
				if changed == nil {
					changed = append(changed, v...)
				}
				changed[i] = other
			}
		}
		return changed, changed != nil
	}
	return nil, false
}

var bytesType = reflect.TypeFor[Bytes]()

// maxDepth is how deep values are looked into for bytes.
const maxDepth = 32

// holdsBytes tells whether there are [Bytes] in a value, which a JSON object that only looks like them is not.
func holdsBytes(v reflect.Value, depth int) bool {
	if !v.IsValid() || depth > maxDepth {
		return false
	}
	if v.Type() == bytesType {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return holdsBytes(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && holdsBytes(v.Field(i), depth+1) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k < reflect.Array { // numbers and booleans
			return false
		}
		for i := range v.Len() {
			if holdsBytes(v.Index(i), depth+1) {
				return true
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if holdsBytes(v.MapIndex(key), depth+1) {
				return true
			}
		}
	}
	return false
}

// packetText is the text of an event or acknowledgement. name is "" for an acknowledgement, whose id is then given; last, if it is not "",
// becomes one more argument.
func packetText(t packet.Type, namespace, name string, id uint64, hasID bool, e arguments, last string) []byte {
	if len(e.attachments) > 0 {
		t += packet.BinaryEvent - packet.Event
	}
	p := packet.Packet{Type: t, Count: len(e.attachments), Namespace: namespace, ID: id, HasID: hasID}
	b := make([]byte, 0, len(namespace)+len(name)+len(e.text)+len(last)+32)
	b = append(packet.Append(b, &p), '[')
	if name != "" || t == packet.Event || t == packet.BinaryEvent {
		b = message.AppendString(b, name)
		if len(e.text) > 0 {
			b = append(b, ',')
		}
	}
	b = append(b, e.text...)
	if last != "" {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = message.AppendString(b, last)
	}
	return append(b, ']')
}
