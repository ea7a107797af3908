// Reading answers. What is not understood to the last field is refused: a misspelt "allow" must not become a yes.

package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ringdown/ringdown/internal/pattern"
)

// Bounds of answers.
const (
	MaxReason    = 512                  // bytes
	MaxCode      = 64                   // bytes
	MaxChannels  = 1000                 // to subscribe a new client to
	MaxGrants    = 1000                 // patterns
	MaxExpiresIn = 366 * 24 * time.Hour //
	maxName      = 255                  // bytes of a user, an event, a key, a pattern
	maxInfo      = 4 << 10              // bytes
)

// ConnectDecision is what a new client is to be. Its zero value leaves everything as it was.
type ConnectDecision struct {
	User     string          // who the client is; "" leaves it as it was
	Info     json.RawMessage // what others may know of it; nil leaves it
	Channels []string        // subscribe it to these, without asking again; names are not checked further than for being text
	Grants   []Grant         // what it may do instead of what the rules let everybody; nil leaves it, an empty list grants nothing. Sorted by pattern
	Lifetime time.Duration   // when the client has to come again; 0 leaves it
}

// Grant gives rights in the channels that match a pattern. Patterns are those of rules: "*" is any run of characters, "/" included.
type Grant struct {
	Pattern string
	Rights  []string // some of subscribe, publish, presence, history, call
}

// rights are what can be granted.
var rights = []string{"subscribe", "publish", "presence", "history", "call"}

// PublishDecision is what is to be published instead. Its zero value changes nothing.
type PublishDecision struct {
	Data  *Payload // nil leaves it; the caller checks its size
	Event *string
	Key   *string
}

// answer is a JSON object that is taken apart field by field. The first thing that is wrong with it stays.
type answer struct {
	fields map[string]json.RawMessage
	err    error
}

// readAnswer splits an answer into its fields. Names are exact and there but once: what package json would take for
// another spelling of "allow" is refused later, as unknown.
func readAnswer(b []byte) *answer {
	a := &answer{fields: make(map[string]json.RawMessage)}
	if len(bytes.TrimSpace(b)) == 0 {
		return a.fail("it is empty; answer 200 with a JSON object")
	}
	if !utf8.Valid(b) || !json.Valid(b) {
		return a.fail("it is not JSON in UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return a.fail("it is not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return a.fail("it is not JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return a.fail("it is not JSON")
		}
		key := name.(string) // what comes first of a member is a string
		if _, twice := a.fields[key]; twice {
			return a.fail("it has %.40q twice", key)
		}
		a.fields[key] = value
	}
	if _, err := d.Token(); err != nil {
		return a.fail("it is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return a.fail("something follows the JSON object")
	}
	return a
}

func (a *answer) fail(format string, values ...any) *answer {
	if a.err == nil {
		a.err = fmt.Errorf("the answer is refused: "+format, values...)
	}
	return a
}

// take moves a field's value to where it belongs, and reports whether it was there.
func (a *answer) take(name string, to any) bool {
	value, ok := a.fields[name]
	delete(a.fields, name)
	if !ok || a.err != nil {
		return false
	}
	if err := json.Unmarshal(value, to); err != nil || string(value) == "null" {
		a.fail("%q is not of the type it should be", name) // the error of package json may quote the value
		return false
	}
	return true
}

// text takes a string of at most so many bytes without control characters.
func (a *answer) text(name string, to *string, most int) bool {
	if !a.take(name, to) {
		return false
	}
	if len(*to) > most || strings.ContainsFunc(*to, unicode.IsControl) {
		a.fail("%q must be at most %d bytes without control characters", name, most)
	}
	return true
}

// payload takes a field that holds a payload, and "encoding" with it.
func (a *answer) payload(name string) *Payload {
	value, ok := a.fields[name]
	delete(a.fields, name)
	var encoding string
	if a.take("encoding", &encoding) && !ok {
		a.fail(`there is "encoding" without %q`, name)
	}
	if !ok || a.err != nil {
		return nil
	}
	p, err := payloadOf(value, encoding)
	if err != nil {
		a.fail("%q: %w", name, err)
	}
	return &p
}

// end refuses what nobody took.
func (a *answer) end(known ...string) error {
	for name := range a.fields {
		a.fail("it has an unknown field %.40q; here are known: %s", name, strings.Join(known, ", "))
	}
	return a.err
}

// denial takes "code" and "reason".
func (a *answer) denial(hook Hook, code, reason string) *Error {
	e := &Error{Hook: hook, Code: code, Reason: reason, kind: ErrDenied}
	if a.text("code", &e.Code, MaxCode) && !isCode(e.Code) {
		a.fail(`"code" must be of lower-case letters, digits and underscores, as not_allowed`)
	}
	if a.text("reason", &e.Reason, MaxReason) && e.Reason == "" {
		e.Reason = reason
	}
	return e
}

func isCode(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// allowed reads "allow". The error is a denial, or what is wrong with the answer.
func (a *answer) allowed(hook Hook) error {
	var allow bool
	if !a.take("allow", &allow) {
		a.fail(`it has no "allow", which must be true or false`)
		return invalid(hook, a.err)
	}
	if allow {
		return nil
	}
	e := a.denial(hook, "not_allowed", "the service does not allow it")
	if err := a.end("allow", "code", "reason"); err != nil {
		return invalid(hook, err)
	}
	return e
}

func parseConnect(b []byte) (d ConnectDecision, err error) {
	a := readAnswer(b)
	if err := a.allowed(Connect); err != nil {
		return ConnectDecision{}, err
	}
	if a.text("user", &d.User, maxName) && d.User == "" {
		a.fail(`"user" is empty; leave it out`)
	}
	if a.take("info", &d.Info) && len(d.Info) > maxInfo {
		a.fail(`"info" has %d bytes; at most %d are taken`, len(d.Info), maxInfo)
	}
	if a.take("channels", &d.Channels) {
		if len(d.Channels) > MaxChannels {
			a.fail(`"channels" are %d; at most %d are taken`, len(d.Channels), MaxChannels)
		}
		if slices.Contains(d.Channels, "") {
			a.fail(`one of the "channels" is empty`)
		}
	}
	var seconds float64
	if a.take("expires_in", &seconds) {
		if !(seconds >= 1 && seconds <= MaxExpiresIn.Seconds()) {
			a.fail(`"expires_in" must be 1 to %.0f seconds`, MaxExpiresIn.Seconds())
		} else {
			d.Lifetime = time.Duration(seconds * float64(time.Second))
		}
	}
	d.Grants = a.grants()
	if err := a.end("allow", "user", "info", "channels", "expires_in", "grants"); err != nil {
		return ConnectDecision{}, invalid(Connect, err)
	}
	return d, nil
}

// grants takes "grants", an object with a list of rights for each pattern.
func (a *answer) grants() []Grant {
	var patterns map[string][]string
	if !a.take("grants", &patterns) {
		return nil
	}
	if len(patterns) > MaxGrants {
		a.fail(`"grants" are %d; at most %d are taken`, len(patterns), MaxGrants)
		return nil
	}
	grants := []Grant{}
	for channels, names := range patterns {
		switch err := pattern.Check(channels); {
		case err != nil:
			a.fail(`"grants" has the pattern %.40q: %w; write it as chat:* or news`, channels, err)
		case len(channels) > maxName:
			a.fail(`"grants" has a pattern of %d bytes, %.40q…; at most %d are taken`, len(channels), channels, maxName)
		}
		for _, name := range names {
			if !slices.Contains(rights, name) {
				a.fail(`"grants" has the right %.40q; there are %s`, name, strings.Join(rights, ", "))
			}
		}
		grants = append(grants, Grant{channels, names})
	}
	slices.SortFunc(grants, func(x, y Grant) int { return strings.Compare(x.Pattern, y.Pattern) })
	return grants
}

func parseSubscribe(b []byte) error {
	a := readAnswer(b)
	if err := a.allowed(Subscribe); err != nil {
		return err
	}
	if err := a.end("allow"); err != nil {
		return invalid(Subscribe, err)
	}
	return nil
}

func parsePublish(b []byte) (d PublishDecision, err error) {
	a := readAnswer(b)
	if err := a.allowed(Publish); err != nil {
		return PublishDecision{}, err
	}
	d.Data = a.payload("data")
	var event, key string
	if a.text("event", &event, maxName) {
		d.Event = &event
	}
	if a.text("key", &key, maxName) {
		d.Key = &key
	}
	if err := a.end("allow", "data", "encoding", "event", "key"); err != nil {
		return PublishDecision{}, invalid(Publish, err)
	}
	return d, nil
}

func parseCall(b []byte) (Payload, error) {
	a := readAnswer(b)
	result := a.payload("result")
	var failure json.RawMessage
	if a.take("error", &failure) {
		inner := readAnswer(failure)
		e := inner.denial(Call, "call_failed", "the service refused the call")
		if a.err == nil {
			a.err = inner.end("code", "reason")
		}
		if result != nil {
			a.fail(`it has both "result" and "error"`)
		}
		if err := a.end("result", "encoding", "error"); err != nil {
			return Payload{}, invalid(Call, err)
		}
		return Payload{}, e
	}
	if result == nil {
		a.fail(`it has neither "result" nor "error"`)
	}
	if err := a.end("result", "encoding", "error"); err != nil {
		return Payload{}, invalid(Call, err)
	}
	return *result, nil
}
