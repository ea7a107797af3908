package native_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ringdown/ringdown/hub"
)

const schemaFile = "../../docs/protocol.schema.json"

// schema returns a definition of the published schema.
func schema(definition string) *jsonschema.Schema {
	c := jsonschema.NewCompiler()
	s, err := c.Compile(schemaFile + "#/$defs/" + definition)
	if err != nil {
		panic(err)
	}
	return s
}

var (
	serverSchema = sync.OnceValue(func() *jsonschema.Schema { return schema("server") })
	clientSchema = sync.OnceValue(func() *jsonschema.Schema { return schema("client") })
)

func validate(s *jsonschema.Schema, message []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// checkServerMessage holds what the server says against the schema.
func checkServerMessage(t testing.TB, message []byte) {
	t.Helper()
	if err := validate(serverSchema(), message); err != nil {
		t.Errorf("the server said what its schema does not know: %.1000s\n%v", message, err)
	}
}

func TestTheSchemaKnowsEveryCode(t *testing.T) {
	var known []any
	code := schema("code")
	for _, r := range hub.Refusals() {
		if err := code.Validate(string(r.Code)); err != nil {
			t.Errorf("%s is not in the schema's list of codes", r.Code)
		}
		known = append(known, string(r.Code))
	}
	for _, value := range code.Enum.Values {
		if !slices.Contains(known, value) {
			t.Errorf("the schema has the code %v, which hub.Refusals has not", value)
		}
	}
}

func TestTheSchemaRefusesWhatTheProtocolDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		schema  *jsonschema.Schema
		message string
	}{
		{serverSchema(), `{"type":"hello"}`},
		{serverSchema(), `{"type":"pong","extra":1}`},
		{serverSchema(), `{"type":"message","channel":"a","data":1,"offset":1,"cursor":"K3VQ8W2M-1","time":"2026-01-02T03:04:05.678Z"}`},
		{serverSchema(), `{"type":"message","channel":"a","data":1,"encoding":"base64","offset":1,"cursor":"k3vq8w2m-1","time":"2026-01-02T03:04:05.678Z"}`},
		{serverSchema(), `{"type":"presence","channel":"a","joined":{"session":"x"},"left":{"session":"x"},"sessions":1,"users":1}`},
		{serverSchema(), `{"type":"error","code":"bad_luck","message":"no"}`},
		{clientSchema(), `{"type":"subscribe"}`},
		{clientSchema(), `{"type":"subscribe","channel":7}`},
		{clientSchema(), `{"type":"ping","id":{}}`},
		{clientSchema(), `[]`},
		{clientSchema(), fmt.Sprintf(`[%s{"type":"ping"}]`, bytes.Repeat([]byte(`{"type":"ping"},`), 100))},
	} {
		if validate(c.schema, []byte(c.message)) == nil {
			t.Errorf("%.200s is valid", c.message)
		}
	}
}
