package native

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
)

func TestACommandHoldsWhatTheMessageSays(t *testing.T) {
	message := []byte(` { "type" : "publish" , "id" : "a\u0062" , "channel":"n\u00e9ws", "data": {"x" : [1,"]}"]} ,"event":"e","key":"k",` +
		`"idempotency_key":"i","encoding":"","cursor":"c","method":"m","presence":true,"limit":7,"Type":"ping","more":{"type":"ping"}}` + "\n")
	commands, err := parse(message)
	if err != nil {
		t.Fatal(err)
	}
	for i := range message { // it is lent: nothing of it may be kept
		message[i] = 'x'
	}
	want := []command{{kind: "publish", id: `"a\u0062"`, channel: "néws", data: []byte(`{"x" : [1,"]}"]}`), event: "e", key: "k",
		idempotencyKey: "i", cursor: "c", method: "m", presence: true, limit: 7}}
	if diff := cmp.Diff(want, commands, cmp.AllowUnexported(command{})); diff != "" {
		t.Error(diff)
	}
}

func TestMalformedMessagesAreRefusedAsAWhole(t *testing.T) {
	for _, c := range []struct {
		proves, message string
		code            hub.Code
		sentence        string
	}{
		{"nothing", ``, hub.BadRequest, "not JSON"},
		{"white space", " \n", hub.BadRequest, "not JSON"},
		{"no JSON", `subscribe news`, hub.BadRequest, "invalid character 's'"},
		{"half of it", `{"type":"ping"`, hub.BadRequest, "unexpected end"},
		{"two objects", `{"type":"ping"}{"type":"ping"}`, hub.BadRequest, "in an array"},
		{"two lines", "{\"type\":\"ping\"}\n{\"type\":\"ping\"}", hub.BadRequest, "in an array"},
		{"a number", `7`, hub.BadRequest, "the message is a number"},
		{"a string", `"ping"`, hub.BadRequest, "the message is a string"},
		{"null", `null`, hub.BadRequest, "the message is null"},
		{"true", `true`, hub.BadRequest, "the message is a boolean"},
		{"an empty batch", `[ ]`, hub.BadRequest, "the batch is empty"},
		{"deep nesting", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), hub.BadRequest, "exceeded max depth"},
		{"deep data", `{"type":"publish","channel":"a","data":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_001), hub.BadRequest,
			"exceeded max depth"},
		{"too many commands", "[" + strings.Repeat(`{"type":"ping"},`, 100) + `{"type":"ping"}]`, hub.TooManyCommands, "more than 100"},
		{"a batch of nothing", "[" + strings.Repeat(`0,`, 30_000) + `0]`, hub.TooManyCommands, "more than 100"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			commands, err := parse([]byte(c.message))
			e, ok := errors.AsType[*hub.Error](err)
			if !ok || e.Code != c.code || !strings.Contains(e.Message, c.sentence) || commands != nil {
				t.Errorf("%v, %v; want %s with %q", commands, err, c.code, c.sentence)
			}
		})
	}
}

func TestAMalformedCommandIsRefusedByItsID(t *testing.T) {
	for _, c := range []struct{ proves, message, sentence string }{
		{"no type", `{"channel":"a","id":1}`, `has no "type"; there are subscribe,`},
		{"an empty type", `{"type":"","id":1}`, `has no "type"`},
		{"a type that is no string", `{"type":7,"id":1}`, `"type" is a number; it must be a string`},
		{"a channel that is no string", `{"type":"subscribe","channel":["a"],"id":1}`, `"channel" is an array`},
		{"a channel that is null", `{"type":"subscribe","channel":null,"id":1}`, `"channel" is null`},
		{"presence that is no boolean", `{"type":"subscribe","channel":"a","presence":"yes","id":1}`, `"presence" is a string; it must be a boolean`},
		{"a negative limit", `{"type":"history","channel":"a","limit":-1,"id":1}`, `"limit" is -1; it must be a whole number`},
		{"a broken limit", `{"type":"history","channel":"a","limit":1.5,"id":1}`, `"limit" is 1.5`},
		{"a huge limit", `{"type":"history","channel":"a","limit":1e99,"id":1}`, `"limit" is 1e99`},
		{"a field twice", `{"type":"subscribe","channel":"a","channel":"b","id":1}`, `has "channel" twice`},
		{"a field twice, escaped", `{"type":"subscribe","channel":"a","\u0063hannel":"b","id":1}`, `has "channel" twice`},
		{"the first of two mistakes", `{"type":"subscribe","channel":1,"cursor":2,"id":1}`, `"channel" is a number`},
	} {
		t.Run(c.proves, func(t *testing.T) {
			commands, err := parse([]byte(c.message))
			if err != nil {
				t.Fatal(err)
			}
			e, ok := errors.AsType[*hub.Error](commands[0].err)
			if !ok || e.Code != hub.BadRequest || !strings.Contains(e.Message, c.sentence) {
				t.Errorf("%v; want %q", commands[0].err, c.sentence)
			}
			if commands[0].id != "1" {
				t.Errorf("id %q", commands[0].id)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	long := `"` + strings.Repeat("x", MaxID-2) + `"`
	for _, c := range []struct{ value, id, sentence string }{
		{`1`, `1`, ""}, {`-1.5e+9`, `-1.5e+9`, ""}, {`""`, `""`, ""}, {`"\ud800"`, `"\ud800"`, ""}, {`null`, "", ""}, {long, long, ""},
		{`"x` + long[1:], "", "65 bytes"}, {strings.Repeat("1", 10_000), "", "10000 bytes"},
		{`{"a":1}`, "", "an object"}, {`[]`, "", "an array"}, {`true`, "", "a boolean"},
	} {
		commands, err := parse([]byte(`{"type":"ping","id":` + c.value + `}`))
		if err != nil {
			t.Fatal(err)
		}
		got := commands[0]
		if got.id != c.id || (got.err == nil) != (c.sentence == "") || got.err != nil && !strings.Contains(got.err.Error(), c.sentence) {
			t.Errorf("%.40s: id %q, %v", c.value, got.id, got.err)
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		data, encoding string
		kind           hub.Kind
		payload        string
		sentence       string
	}{
		{`"a\n"`, "", hub.Text, "a\n", ""},
		{`"\ud83d\ude00\ud800"`, "", hub.Text, "😀\ufffd", ""}, // half of a character cannot be UTF-8
		{`{"a":"<"}`, "", hub.JSON, `{"a":"<"}`, ""},
		{`0`, "", hub.JSON, `0`, ""},
		{`"AP8="`, "base64", hub.Binary, "\x00\xff", ""},
		{`""`, "base64", hub.Binary, "", ""},
		{`"AP8"`, "base64", 0, "", "is not: illegal base64"},
		{`"_-8="`, "base64", 0, "", "the standard alphabet"},
		{`[1]`, "base64", 0, "", "must be a string of base64"},
		{`"x"`, "hex", 0, "", `the encoding "hex" is not known`},
	} {
		kind, payload, err := (&command{data: []byte(c.data), encoding: c.encoding}).payload()
		if c.sentence != "" {
			e, ok := errors.AsType[*hub.Error](err)
			if !ok || e.Code != hub.BadPayload || !strings.Contains(e.Message, c.sentence) {
				t.Errorf("%s: %v, want %q", c.data, err, c.sentence)
			}
			continue
		}
		if err != nil || kind != c.kind || string(payload) != c.payload {
			t.Errorf("%s: %v %q, %v", c.data, kind, payload, err)
		}
	}
}

// FuzzParse holds our own walk over a command against what encoding/json reads.
func FuzzParse(f *testing.F) {
	f.Add(`{"type":"publish","id":1,"channel":"a","data":{"a":[1,"]"]},"limit":3}`)
	f.Add(`[{"type":"ping"},7,{"type":"x","id":"\""} ]`)
	f.Add(` [ { "\u0074ype" : "ping" , "a" : { } , "b" : [ ] } ] `)
	f.Add(`{"data":"\\\"","key":"\ud800","type":"t"}`)
	f.Fuzz(func(t *testing.T, message string) {
		if !utf8.ValidString(message) {
			return // which the WebSocket has refused
		}
		commands, err := parse([]byte(message))
		if err != nil {
			if commands != nil {
				t.Error("commands and an error")
			}
			return
		}
		var values []json.RawMessage
		if json.Unmarshal([]byte(message), &values) != nil {
			values = []json.RawMessage{json.RawMessage(message)}
		}
		if len(values) != len(commands) {
			t.Fatalf("%d commands, want %d", len(commands), len(values))
		}
		for i, c := range commands {
			var want map[string]json.RawMessage
			if c.err != nil || json.Unmarshal(values[i], &want) != nil {
				continue
			}
			compare(t, &c, want)
		}
	})
}

func compare(t *testing.T, c *command, want map[string]json.RawMessage) {
	for name, got := range map[string]string{"type": c.kind, "channel": c.channel, "cursor": c.cursor, "event": c.event, "key": c.key,
		"encoding": c.encoding, "method": c.method, "idempotency_key": c.idempotencyKey} {
		var text string
		json.Unmarshal(want[name], &text)
		if got != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
	if id := string(want["id"]); id != c.id && id != "null" {
		t.Errorf("id is %s, want %s", c.id, id)
	}
	if string(want["data"]) != string(c.data) {
		t.Errorf("data is %s, want %s", c.data, want["data"])
	}
}
