package api_test

import (
	"strings"
	"testing"
)

func TestFieldsHaveOneNameAndComeOnce(t *testing.T) {
	n := start(t, nil)
	for _, c := range []struct {
		proves, path, body string
		status             int
		says               string
	}{
		{"another spelling", "/publish", `{"CHANNEL":"news","data":1}`, 400, `no field \"CHANNEL\"; there are channel,`},
		{"another spelling beside the right one", "/publish", `{"channel":"news","Channel":"secret","data":1}`, 400, `no field \"Channel\"`},
		{"letters that look alike to package json", "/publish", `{"channel":"news","\u212Aey":"k","data":1}`, 400, "no field"},
		{"a field twice", "/publish", `{"channel":"news","channel":"secret","data":1}`, 400, `\"channel\" is there twice`},
		{"a field twice, once escaped", "/publish", `{"channel":"news","\u0063hannel":"secret","data":1}`, 400, "twice"},
		{"data twice", "/publish", `{"channel":"news","data":1,"data":2}`, 400, "twice"},
		{"within a list", "/batch", `{"publications":[{"channel":"news","data":1},{"channel":"news","DATA":1}]}`, 400, `no field \"DATA\"`},
		{"twice within a list", "/batch", `{"publications":[{"channel":"a","channel":"b","data":1}]}`, 400, "twice"},
		{"of another request", "/publish", `{"channel":"news","data":1,"publications":[]}`, 400, "no field"},
		{"in the data, which is the caller's", "/publish", `{"channel":"news","data":{"a":1,"a":2,"A":3}}`, 201, ""},
		{"a null", "/publish", `null`, 400, ""},
		{"a list of null", "/batch", `{"publications":[null]}`, 200, ""},
		{"fields in common", "/disconnect", `{"user":"ann","code":4000,"reason":"x","reconnect":true}`, 200, ""},
	} {
		var answer strings.Builder
		response := n.do(allKey, "POST", c.path, c.body)
		response.Write(&answer)
		if response.StatusCode != c.status || !strings.Contains(answer.String(), c.says) {
			t.Errorf("%s: %s", c.proves, answer.String())
		}
	}
}
