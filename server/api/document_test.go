package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/api"
)

// openAPI is what the tests read of the document.
type openAPI struct {
	OpenAPI string
	Paths   map[string]map[string]*operation
}

type operation struct {
	OperationID string
	Right       api.Right `json:"x-right"`
	RequestBody *struct{}
	Responses   map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]struct{}
	}
	Parameters []struct{ Name, In string }

	method, path string
	met          map[int]bool // statuses that were answered
}

// contract holds exchanges against the document.
type contract struct {
	t          *testing.T
	document   openAPI
	compiler   *jsonschema.Compiler
	operations map[string]*operation
}

const documentURL = "http://ringdown.test/openapi.json"

func newContract(t *testing.T, document []byte) *contract {
	t.Helper()
	c := &contract{t: t, compiler: jsonschema.NewCompiler(), operations: map[string]*operation{}}
	if err := json.Unmarshal(document, &c.document); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(documentURL, value); err != nil {
		t.Fatal(err)
	}
	for path, methods := range c.document.Paths {
		for method, o := range methods {
			o.method, o.path, o.met = strings.ToUpper(method), path, map[int]bool{}
			c.operations[o.OperationID] = o
		}
	}
	return c
}

// pointer is the place of an operation in the document.
func (o *operation) pointer() string {
	return "/paths/" + escape(o.path) + "/" + strings.ToLower(o.method)
}

func escape(s string) string {
	s = strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(s)
}

func (c *contract) schema(pointer string) *jsonschema.Schema {
	c.t.Helper()
	s, err := c.compiler.Compile(documentURL + "#" + pointer)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// answered holds an answer against what the document says of the operation.
func (c *contract) answered(o *operation, r *http.Response, body []byte) {
	c.t.Helper()
	what := fmt.Sprintf("%s: %s %s", o.OperationID, r.Status, body)
	said, known := o.Responses[strconv.Itoa(r.StatusCode)]
	if !known {
		c.t.Errorf("%s: the document does not know this status", what)
		return
	}
	o.met[r.StatusCode] = true
	pointer, media := o.pointer()+"/responses/"+strconv.Itoa(r.StatusCode), "application/json"
	if said.Ref != "" {
		pointer, media = strings.TrimPrefix(said.Ref, "#"), "application/problem+json"
	}
	if got := r.Header.Get("Content-Type"); got != media {
		c.t.Errorf("%s: Content-Type is %q", what, got)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	if err := c.schema(pointer + "/content/" + escape(media) + "/schema").Validate(value); err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
	if problem, ok := value.(map[string]any); ok && r.StatusCode >= 400 {
		refusal, _ := hub.RefusalOf(hub.Errorf(hub.Code(problem["code"].(string)), ""))
		if refusal.Status != r.StatusCode || refusal.Code != hub.Code(problem["code"].(string)) {
			c.t.Errorf("%s: the table has %d for its code", what, refusal.Status)
		}
	}
	for field, status := range map[string]int{"WWW-Authenticate": 401, "Allow": 405, "Retry-After": 503} {
		if (r.Header.Get(field) != "") != (r.StatusCode == status) {
			c.t.Errorf("%s: %s is %q", what, field, r.Header.Get(field))
		}
	}
}

// asked holds the body of a request that is answered well against the document.
func (c *contract) asked(o *operation, body string) {
	c.t.Helper()
	if o.RequestBody == nil {
		return
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.schema(o.pointer() + "/requestBody/content/application~1json/schema").Validate(value); err != nil {
		c.t.Errorf("%s takes what the document does not allow: %s: %v", o.OperationID, body, err)
	}
}

// good are requests that are answered well, by operation. SESSION stands for a session that is there.
var good = []struct {
	operation, path, body string
	status                int
}{
	{"publish", "", `{"channel":"news","data":{"a":1},"idempotency_key":"k"}`, 201},
	{"publish", "", `{"channel":"news","data":{"a":1},"idempotency_key":"k"}`, 200},
	{"publish", "", `{"channels":["news","plain:1","broken\u0000"],"data":"text","event":"e","key":"k","user":"ann"}`, 200},
	{"publish", "", `{"channel":"news","data":"AAH/","encoding":"base64"}`, 201},
	{"publishBatch", "", `{"publications":[{"channel":"news","data":null},{"channel":"news","data":"!","encoding":"base64"}]}`, 200},
	{"listChannels", "", "", 200},
	{"listChannels", "?pattern=n*&after=a&limit=1", "", 200},
	{"listChannels", "?limit=1", "", 200},
	{"getPresence", "/channels/news/presence", "", 200},
	{"getPresence", "/channels/news/presence?limit=0", "", 200},
	{"getPresence", "/channels/nobody%2Fhere/presence", "", 200},
	{"getHistory", "/channels/news/history", "", 200},
	{"getHistory", "/channels/news/history?newest=true&limit=2", "", 200},
	{"getHistory", "/channels/news/history?limit=1", "", 200},
	{"getHistory", "/channels/news/history?after=unknown0-1", "", 200},
	{"getSession", "/sessions/SESSION", "", 200},
	{"listSessions", "/users/ann/sessions?limit=1", "", 200},
	{"listSessions", "/users/nobody/sessions", "", 200},
	{"subscribe", "", `{"session":"SESSION","channels":["extra","news"]}`, 200},
	{"subscribe", "", `{"user":"ann","channels":["extra"]}`, 200},
	{"subscribe", "", `{"user":"streamer","channels":["news","extra"]}`, 200},
	{"unsubscribe", "", `{"session":"SESSION","channels":["extra"],"reason":"go"}`, 200},
	{"unsubscribe", "", `{"user":"ann","channels":["extra"]}`, 200},
	{"disconnect", "", `{"user":"nobody"}`, 200},
	{"disconnect", "", `{"session":"SESSION","code":4001,"reason":"go","reconnect":true}`, 200},
	{"revoke", "", `{"user":"ann"}`, 200},
	{"revoke", "", `{"token":"t1","until":"2030-01-02T15:04:05Z"}`, 200},
	{"getNode", "", "", 200},
	{"listNodes", "", "", 200},
	{"getDocument", "", "", 200},
}

// TestTheDocumentAndTheHandlersAgree exercises every operation with every status that the document has for it, holds every answer
// against its schema, and accepts nothing that the document does not have.
func TestTheDocumentAndTheHandlersAgree(t *testing.T) {
	n := start(t, func(o *api.Options) {
		o.Revoke = func(_ context.Context, r api.Revocation) ([]string, error) {
			if r.Token == "one too many" {
				return nil, hub.Errorf(hub.Unavailable, "no further one is held")
			}
			return nil, nil
		}
		o.Node = func() api.Node { return api.Node{Name: "a", Version: "1", Started: time.Now()} }
	})
	c := newContract(t, api.Document())
	ann := n.open("ann", "news", "chat:1")
	n.open("ann", "news")
	n.open("", "plain:1")
	n.join(&client{fixed: true}, "streamer", "news")
	path := func(o *operation) string {
		return strings.NewReplacer("{channel}", "news", "{session}", ann.session.ID(), "{user}", "ann").Replace(o.path)
	}
	try := func(o *operation, key, method, path, body string, fields ...string) int {
		t.Helper()
		response := n.do(key, method, path, body, fields...)
		text, _ := io.ReadAll(response.Body)
		c.answered(o, response, text)
		return response.StatusCode
	}
	bodies := map[string]string{}
	for _, g := range good {
		o := c.operations[g.operation]
		if o == nil {
			t.Fatalf("the document has no %s", g.operation)
		}
		at := strings.ReplaceAll(g.path, "SESSION", ann.session.ID())
		if !strings.HasPrefix(at, "/") {
			at = path(o) + at
		}
		body := strings.ReplaceAll(g.body, "SESSION", ann.session.ID())
		bodies[g.operation] = body
		c.asked(o, body)
		if got := try(o, allKey, o.method, at, body); got != g.status {
			t.Errorf("%s %s %s: %d", o.method, at, body, got)
		}
	}
	ann = n.open("ann", "news")
	for _, o := range c.operations {
		body := strings.ReplaceAll(bodies[o.OperationID], "SESSION", ann.session.ID())
		try(o, allKey, "DELETE", path(o), "")
		try(o, allKey, o.method, path(o), body, "Origin: https://evil.example")
		if o.Right == "" {
			continue
		}
		if got := try(o, "", o.method, path(o), body); got != 401 {
			t.Errorf("%s without a key: %d", o.OperationID, got)
		}
		if got := try(o, "not-a-key-but-long-enough", o.method, path(o), body); got != 401 {
			t.Errorf("%s with a wrong key: %d", o.OperationID, got)
		}
		if got := try(o, publishKey, o.method, path(o), body); (got == 403) != (o.Right != api.Publish) {
			t.Errorf("%s with a key that may publish: %d", o.OperationID, got)
		}
		if o.method == "GET" {
			try(o, allKey, o.method, path(o)+"?nonsense=1", "")
			continue
		}
		try(o, allKey, o.method, path(o), `{"nonsense":1}`)
		try(o, allKey, o.method, path(o), body, "Content-Type: text/plain")
		try(o, allKey, o.method, path(o), `{"x":"`+strings.Repeat("x", api.DefaultMaxBody)+`"}`)
	}
	for _, o := range []string{"subscribe", "unsubscribe"} {
		try(c.operations[o], allKey, "POST", "/"+o, `{"session":"gone","channels":["news"]}`)
	}
	try(c.operations["disconnect"], allKey, "POST", "/disconnect", `{"session":"gone"}`)
	try(c.operations["getSession"], allKey, "GET", "/sessions/gone", "")
	try(c.operations["getPresence"], allKey, "GET", "/channels/plain:1/presence", "")
	try(c.operations["getHistory"], allKey, "GET", "/channels/plain:1/history", "")
	try(c.operations["revoke"], allKey, "POST", "/revoke", `{"token":"one too many"}`)
	n.broker.fails.Store(true)
	try(c.operations["publish"], allKey, "POST", "/publish", `{"channel":"news","data":1}`)
	try(c.operations["getPresence"], allKey, "GET", "/channels/news/presence", "")
	try(c.operations["getHistory"], allKey, "GET", "/channels/news/history", "")
	n.handler = api.New(n.hub, api.Options{Open: true, Log: slog.New(slog.DiscardHandler)})
	try(c.operations["revoke"], "", "POST", "/revoke", `{"user":"ann"}`, "Remote: 127.0.0.1:4711", "Host: localhost:8000")

	for _, o := range c.operations {
		for status := range o.Responses {
			if code, _ := strconv.Atoi(status); !o.met[code] {
				t.Errorf("%s: the document has the status %s, which no test brings about", o.OperationID, status)
			}
		}
	}
}

func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	n := start(t, nil)
	c := newContract(t, api.Document())
	var documented []string
	for id, o := range c.operations {
		documented = append(documented, o.method+" "+o.path+" "+id+" "+string(o.Right))
		if o.Right != "" && n.do("", o.method, o.path, "").StatusCode != 401 {
			t.Errorf("%s %s is open to everybody", o.method, o.path)
		}
	}
	routes := api.Routes()
	slices.Sort(documented)
	slices.Sort(routes)
	if !slices.Equal(documented, routes) {
		t.Errorf("the document has\n%s\nthe handler has\n%s", strings.Join(documented, "\n"), strings.Join(routes, "\n"))
	}
	if c.document.OpenAPI != "3.1.0" {
		t.Errorf("the document is of version %q", c.document.OpenAPI)
	}
	served, _ := io.ReadAll(n.do("", "GET", "/openapi.json", "").Body)
	if !bytes.Equal(served, api.Document()) {
		t.Error("what is served is not the document")
	}
}
