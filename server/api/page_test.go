package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/api"
)

const page = "../../docs/api.md"

var example = regexp.MustCompile("(?s)```sh\ncurl (.*?)\n```\n\n```json\n(.*?)\n```")

// TestTheExamplesOfThePageWork runs every example of docs/api.md, one after another, and compares what is answered with what the page
// shows: the same in everything but what differs from time to time.
func TestTheExamplesOfThePageWork(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, func(o *api.Options) {
		o.Revoke = func(context.Context, api.Revocation) ([]string, error) { return nil, nil }
		o.Node = func() api.Node { return api.Node{Name: "node-1", Version: "0.1.0", Started: time.Now()} }
	})
	n.open("ann", "news", "chat:1", "chat:2")
	c := newContract(t, api.Document())
	examples := example.FindAllStringSubmatch(string(text), -1)
	if all := strings.Count(string(text), "\ncurl "); len(examples) != all {
		t.Errorf("%d of %d examples are followed by an answer", len(examples), all)
	}
	used := map[string]bool{}
	for _, e := range examples {
		method, path, body, fields := words(t, strings.ReplaceAll(e[1], "$KEY", allKey))
		response := n.do("", method, path, body, fields...)
		got, _ := io.ReadAll(response.Body)
		if diff := differ(t, e[2], string(got)); diff != "" {
			t.Errorf("curl %s\nanswers %s\ninstead of %s\n%s", e[1], got, e[2], diff)
		}
		for _, o := range c.operations {
			if o.method == method && regexp.MustCompile("^"+regexp.MustCompile(`{\w+}`).ReplaceAllString(o.path, "[^/]+")+"$").MatchString(strings.SplitN(path, "?", 2)[0]) {
				used[o.OperationID] = true
				c.answered(o, response, got)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.operations)) {
		if !used[id] && id != "getDocument" && id != "getSession" {
			t.Errorf("the page has no example of %s", id)
		}
	}
}

// words reads a command line of curl, as far as the page uses it.
func words(t *testing.T, line string) (method, path, body string, fields []string) {
	t.Helper()
	method = http.MethodGet
	args := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1)
	for i := range args {
		args[i] = strings.Trim(args[i], args[i][:1][:strings.Count(`'"`, args[i][:1])])
	}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-H":
			i++
			fields = append(fields, args[i])
		case arg == "--json":
			i++
			method, body = http.MethodPost, args[i]
		case strings.HasPrefix(arg, "http://localhost:8000"+api.Prefix):
			path = strings.TrimPrefix(arg, "http://localhost:8000"+api.Prefix)
		default:
			t.Fatalf("the test does not know what %q is to curl", arg)
		}
	}
	return method, path, body, fields
}

// changing are the fields that differ from time to time.
var changing = []string{"cursor", "time", "session", "since", "started"}

// differ compares two answers.
func differ(t *testing.T, want, got string) string {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(want), &x); err != nil {
		t.Fatalf("%v in %s", err, want)
	}
	if err := json.Unmarshal([]byte(got), &y); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	level(x)
	level(y)
	a, _ := json.Marshal(x)
	b, _ := json.Marshal(y)
	if string(a) == string(b) {
		return ""
	}
	return fmt.Sprintf("that is, without what changes:\n%s\n%s", b, a)
}

// level takes out what differs from time to time.
func level(value any) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			level(item)
		}
	case map[string]any:
		for name := range v {
			if _, text := v[name].(string); text && slices.Contains(changing, name) {
				v[name] = "…"
			}
			level(v[name])
		}
	}
}
