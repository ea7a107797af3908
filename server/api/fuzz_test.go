package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/api"
)

// FuzzBodies has every answer to whatever body be JSON, and every refusal one of the table, which is the caller's fault.
func FuzzBodies(f *testing.F) {
	for _, g := range good {
		if g.body != "" {
			f.Add("/"+g.operation, g.body)
		}
	}
	f.Add("/batch", `{"publications":[{"channel":"a","data":1,"data":2}]}`)
	f.Add("/publish", `{"channel":"a","data":"\ud800"}`)
	n := start(f, func(o *api.Options) {
		o.Revoke = func(context.Context, api.Revocation) ([]string, error) { return nil, nil }
	})
	f.Fuzz(func(t *testing.T, path, body string) {
		n.t = t
		switch path {
		case "/publish", "/batch", "/subscribe", "/unsubscribe", "/disconnect", "/revoke":
		case "/publishBatch":
			path = "/batch"
		default:
			path = "/publish"
		}
		response := n.do(allKey, "POST", path, body)
		text, _ := io.ReadAll(response.Body)
		if !json.Valid(text) || bytes.Contains(text, []byte(allKey)) {
			t.Fatalf("%s %s: %s", path, body, text)
		}
		if response.StatusCode >= 500 {
			t.Fatalf("%s %s: %s %s", path, body, response.Status, text)
		}
		if response.StatusCode >= 400 && !strings.Contains(string(text), `"code":"`) {
			t.Fatalf("%s %s: %s", path, body, text)
		}
	})
}
