// Walking over JSON that is known to be valid: the elements of an array, and the objects that stand for bytes.

package packet

import (
	"bytes"
	"encoding/base64"
)

// elements returns the elements of an array, without the space around them; none if b is no array. Arrays and objects may be
// in each other to a depth.
func elements(b []byte, depth int) (all [][]byte, err error) {
	level, from := 0, 0
	array := len(b) > 0 && b[0] == '['
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '[', '{':
			if level++; level > depth {
				return nil, refuse(TooDeep, nil)
			}
			if level == 1 {
				from = i + 1
			}
		case ',':
			if array && level == 1 {
				all = append(all, space(b[from:i]))
				from = i + 1
			}
		case ']', '}':
			if level--; array && level == 0 {
				if last := space(b[from:i]); len(last) > 0 {
					all = append(all, last)
				}
			}
		}
	}
	return all, nil
}

// Elements returns the elements of an array of valid JSON.
func Elements(array []byte) [][]byte {
	all, _ := elements(space(array), len(array)+1)
	return all
}

func space(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

// stringEnd is where the string that begins at i is over.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// object is what there is to know of an object that may stand for bytes.
type object struct {
	start, end  int
	members     int
	placeholder bool   // it has "_placeholder": true
	num         []byte // the value of "num"
	base64      []byte // the value of "base64"
}

// walk calls found for each object, those within another before it, in the order of their ends.
type walk struct {
	b     []byte
	found func(object)
}

// value goes over the value at i, and returns where it is over.
func (w *walk) value(i int) int {
	switch w.b[i] {
	case '"':
		return stringEnd(w.b, i)
	case '{':
		return w.object(i)
	case '[':
		return w.array(i)
	}
	for i < len(w.b) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(w.b[i])) {
		i++
	}
	return i
}

// skip is the place of the next byte that is neither space nor c.
func (w *walk) skip(i int, c byte) int {
	for w.b[i] == c || w.b[i] == ' ' || w.b[i] == '\t' || w.b[i] == '\r' || w.b[i] == '\n' {
		i++
	}
	return i
}

func (w *walk) array(i int) int {
	for i = w.skip(i+1, ' '); w.b[i] != ']'; {
		i = w.skip(w.value(i), ',')
	}
	return i + 1
}

func (w *walk) object(i int) int {
	o := object{start: i}
	for i = w.skip(i+1, ' '); w.b[i] != '}'; {
		key := w.b[i:stringEnd(w.b, i)]
		from := w.skip(i+len(key), ':')
		i = w.value(from)
		value := w.b[from:i]
		o.members++
		switch text(key) {
		case "_placeholder":
			o.placeholder = string(value) == "true"
		case "num":
			o.num = value
		case "base64":
			o.base64 = value
		}
		i = w.skip(i, ',')
	}
	o.end = i + 1
	w.found(o)
	return o.end
}

// span is a part of JSON that stands for bytes.
type span struct {
	start, end int
	num        int    // of the attachment; -1 if there is none
	bytes      []byte // what it stands for
}

// outermost adds s to spans in place of those that lie within it.
func outermost(spans []span, s span) []span {
	for len(spans) > 0 && spans[len(spans)-1].start > s.start {
		spans = spans[:len(spans)-1]
	}
	return append(spans, s)
}

// placeholders finds those in b, which has n attachments.
func placeholders(b []byte, n int) (spans []span) {
	if !bytes.Contains(b, []byte("placeholder")) && !bytes.Contains(b, []byte(`\u`)) { // by which a key may be written
		return nil
	}
	w := walk{b: b, found: func(o object) {
		if !o.placeholder {
			return
		}
		s := span{o.start, o.end, -1, nil}
		if len(o.num) > 0 && digits(o.num) == len(o.num) {
			if num, ok := number(o.num, uint64(max(0, n-1))); ok && n > 0 {
				s.num = int(num)
			}
		}
		spans = outermost(spans, s)
	}}
	w.value(0)
	return spans
}

// checkPlaceholders holds a payload to one placeholder for an attachment, as all clients write it: with more, a few bytes of text would
// become as many copies of the attachment.
func checkPlaceholders(b []byte, n int) error {
	taken := make([]bool, n)
	for _, s := range placeholders(b, n) {
		if s.num < 0 || taken[s.num] {
			return refuse(BadPlaceholder, b[s.start:s.end])
		}
		taken[s.num] = true
	}
	return nil
}

// Placeholder tells which attachment an element is, if it is nothing but a placeholder.
func Placeholder(element []byte, attachments int) (num int, ok bool) {
	if attachments == 0 || element[0] != '{' {
		return 0, false
	}
	spans := placeholders(element, attachments)
	if len(spans) != 1 || spans[0].end-spans[0].start != len(element) || spans[0].num < 0 {
		return 0, false
	}
	return spans[0].num, true
}

// Fill returns JSON with its placeholders replaced by what write appends for an attachment; JSON itself if there are none.
func Fill(json []byte, attachments [][]byte, write func(b, attachment []byte) []byte) []byte {
	if len(attachments) == 0 {
		return json
	}
	return replace(json, placeholders(json, len(attachments)), func(b []byte, s span) []byte {
		if s.num < 0 {
			return append(b, "null"...)
		}
		return write(b, attachments[s.num])
	})
}

// Extract replaces objects {"base64":"…"}, with that key alone, by placeholders that count from first, and returns the bytes that they
// hold, in order. It replaces the first ones, most at most; the others stay as they are.
func Extract(json []byte, first, most int) (without []byte, attachments [][]byte) {
	if !bytes.Contains(json, []byte(`base64"`)) {
		return json, nil
	}
	var spans []span
	w := walk{b: json, found: func(o object) {
		if o.members != 1 || len(o.base64) == 0 || o.base64[0] != '"' {
			return
		}
		content, err := base64.StdEncoding.Strict().DecodeString(text(o.base64))
		if err == nil {
			spans = outermost(spans, span{o.start, o.end, -1, content})
		}
	}}
	w.value(0)
	without = replace(json, spans[:max(0, min(len(spans), most))], func(b []byte, s span) []byte {
		attachments = append(attachments, s.bytes)
		return AppendPlaceholder(b, first+len(attachments)-1)
	})
	return without, attachments
}

func replace(json []byte, spans []span, write func(b []byte, s span) []byte) []byte {
	if len(spans) == 0 {
		return json
	}
	b := make([]byte, 0, len(json))
	from := 0
	for _, s := range spans {
		b = write(append(b, json[from:s.start]...), s)
		from = s.end
	}
	return append(b, json[from:]...)
}
