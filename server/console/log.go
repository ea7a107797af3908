// The log as the console shows it: records without secrets, in a stream.

package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is remembered of one record.
const (
	maxFields = 32
	maxValue  = 2048 // bytes
)

// record is a line of the log.
type record struct {
	Time    stamp  `json:"time"`
	Level   string `json:"level"` // INFO, WARN, ERROR
	Message string `json:"message"`
	Fields  fields `json:"fields"`
}

// field is a value of a record, with those of groups as group.name.
type field struct{ key, value string }

// fields are an object of texts, in the order in which the record has them.
type fields []field

// MarshalJSON implements [json.Marshaler].
func (all fields) MarshalJSON() ([]byte, error) {
	var object bytes.Buffer
	object.WriteByte('{')
	for i, f := range all {
		if i > 0 {
			object.WriteByte(',')
		}
		key, _ := json.Marshal(f.key) // texts can always be written
		value, _ := json.Marshal(f.value)
		object.Write(key)
		object.WriteByte(':')
		object.Write(value)
	}
	object.WriteByte('}')
	return object.Bytes(), nil
}

// appendField adds a value to those of a record, or the values of a group.
func appendField(to []field, group string, a slog.Attr) []field {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range value.Group() {
			to = appendField(to, group, inner)
		}
		return to
	}
	if a.Key == "" || len(to) >= maxFields {
		return to
	}
	return append(to, field{group + a.Key, shown(a.Key, value)})
}

// shown is a value as text, without secrets.
func shown(key string, value slog.Value) string {
	if secretKey.MatchString(key) {
		return hidden
	}
	text := value.String()
	switch v := value.Any().(type) {
	case time.Time:
		text = v.UTC().Format(time.RFC3339Nano)
	case json.RawMessage:
		text = string(v)
	case []byte:
		text = fmt.Sprintf("%d bytes", len(v))
	}
	return redacted(cut(text))
}

// cut shortens what is too long.
func cut(text string) string {
	if len(text) <= maxValue {
		return text
	}
	end := maxValue
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

const hidden = "…"

// secretKey matches the names of values that are not shown. What is called key is the name of one.
var secretKey = regexp.MustCompile(`(?i)^(.*[._-])?(tokens?|secrets?|password|passwd|authorization|cookies?|credentials?)$`)

// secrets are what gives the node or a client away, wherever it stands in a text: parameters of URLs, passwords in them, headers, JWTs.
var secrets = []struct {
	is   *regexp.Regexp
	hint string // without it in the text there is nothing to look for
	with string
}{
	{regexp.MustCompile(`(?i)\b((?:access_|refresh_|id_|auth_)?token|secret|password|passwd|sig|signature|api_?key)=[^&\s"'<>]+`), "=", "$1=" + hidden},
	{regexp.MustCompile(`(?i)\b(bearer)[ .]+[A-Za-z0-9._~+/=-]{8,}`), "earer", "$1 " + hidden},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}`), "eyJ", hidden},
	{regexp.MustCompile(`(://[^/\s:@]*):[^@/\s]+@`), "@", "$1:" + hidden + "@"},
}

// redacted is a text without secrets.
func redacted(text string) string {
	for _, s := range secrets {
		if strings.Contains(text, s.hint) {
			text = s.is.ReplaceAllString(text, s.with)
		}
	}
	return text
}

func (c *Handler) streamLog(w http.ResponseWriter, r *request) error {
	return stream(c, w, r, c.options.Memory.records)
}
