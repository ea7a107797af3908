package backend

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestAnswersThatAreNonsenseAreRefused(t *testing.T) {
	connect := func(b []byte) error { _, err := parseConnect(b); return err }
	publish := func(b []byte) error { _, err := parsePublish(b); return err }
	call := func(b []byte) error { _, err := parseCall(b); return err }
	many := func(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	cases := []struct {
		parse  func([]byte) error
		answer string
		want   string // in the error
	}{
		{parseSubscribe, "", "empty"},
		{parseSubscribe, " \n", "empty"},
		{parseSubscribe, "ok", "not JSON"},
		{parseSubscribe, "<html>", "not JSON"},
		{parseSubscribe, "true", "not a JSON object"},
		{parseSubscribe, `[{"allow":true}]`, "not a JSON object"},
		{parseSubscribe, `{}`, `no "allow"`},
		{parseSubscribe, `{"allow":true`, "not JSON"},
		{parseSubscribe, `{"allow":true}{"allow":true}`, "not JSON"},
		{parseSubscribe, `{"allow":"true"}`, `"allow" is not of the type`},
		{parseSubscribe, `{"allow":1}`, `"allow" is not of the type`},
		{parseSubscribe, `{"allow":null}`, `"allow" is not of the type`},
		{parseSubscribe, `{"Allow":true}`, `no "allow"`},
		{parseSubscribe, `{"allow":true,"Allow":false}`, `unknown field "Allow"`},
		{parseSubscribe, `{"allow":false,"allow":true}`, `"allow" twice`},
		{parseSubscribe, `{"allow":true,"reason":"but"}`, `unknown field "reason"`},
		{parseSubscribe, `{"allow":false,"code":"Not Allowed"}`, `"code" must be`},
		{parseSubscribe, `{"allow":false,"code":""}`, `"code" must be`},
		{parseSubscribe, `{"allow":false,"code":"` + strings.Repeat("a", MaxCode+1) + `"}`, `"code" must be at most`},
		{parseSubscribe, `{"allow":false,"reason":"a\nb"}`, "control characters"},
		{parseSubscribe, `{"allow":false,"reason":"` + strings.Repeat("a", MaxReason+1) + `"}`, "at most 512"},
		{parseSubscribe, `{"allow":false,"user":"ann"}`, `unknown field "user"`},
		{parseSubscribe, "{\"allow\":true,\"\xff\":1}", "not JSON in UTF-8"},
		{connect, `{"allow":true,"usr":"ann"}`, `unknown field "usr"; here are known: allow, user`},
		{connect, `{"allow":true,"user":""}`, "leave it out"},
		{connect, `{"allow":true,"user":7}`, `"user" is not of the type`},
		{connect, `{"allow":true,"user":"` + strings.Repeat("a", 256) + `"}`, "at most 255"},
		{connect, `{"allow":true,"info":"` + strings.Repeat("a", maxInfo) + `"}`, "at most 4096"},
		{connect, `{"allow":true,"channels":"lobby"}`, `"channels" is not of the type`},
		{connect, `{"allow":true,"channels":[""]}`, "is empty"},
		{connect, `{"allow":true,"channels":[` + many(`"a"`, MaxChannels+1) + `]}`, "at most 1000"},
		{connect, `{"allow":true,"expires_in":0}`, "1 to 31622400 seconds"},
		{connect, `{"allow":true,"expires_in":-5}`, "1 to"},
		{connect, `{"allow":true,"expires_in":1e300}`, "1 to"},
		{connect, `{"allow":true,"expires_in":"1h"}`, `"expires_in" is not of the type`},
		{connect, `{"allow":true,"grants":["chat:*"]}`, `"grants" is not of the type`},
		{connect, `{"allow":true,"grants":{"chat:*":["fly"]}}`, `right "fly"; there are subscribe`},
		{connect, `{"allow":true,"grants":{"[":[]}}`, `pattern "["`},
		{connect, `{"allow":true,"grants":{"":[]}}`, `pattern ""`},
		{connect, `{"allow":true,"grants":{"room/[z-a]":[]}}`, `pattern "room/[z-a]"`},
		{publish, `{"allow":true,"data":"a","encoding":"hex"}`, `only "encoding" is "base64"`},
		{publish, `{"allow":true,"data":"?","encoding":"base64"}`, "not base64"},
		{publish, `{"allow":true,"data":7,"encoding":"base64"}`, "must be a string"},
		{publish, `{"allow":true,"encoding":"base64"}`, `without "data"`},
		{publish, `{"allow":true,"event":"a\u0000"}`, "control characters"},
		{publish, `{"allow":true,"channel":"other"}`, `unknown field "channel"`},
		{call, `{}`, `neither "result" nor "error"`},
		{call, `{"allow":true}`, `neither "result" nor "error"`},
		{call, `{"result":1,"error":{}}`, `both "result" and "error"`},
		{call, `{"error":"no"}`, "not a JSON object"},
		{call, `{"error":null}`, `"error" is not of the type`},
		{call, `{"error":{"message":"no"}}`, `unknown field "message"`},
	}
	for _, c := range cases {
		err := c.parse([]byte(c.answer))
		if !errors.Is(err, ErrInvalidAnswer) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: %v, want %q", c.answer, err, c.want)
		}
		if errors.Is(err, ErrDenied) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%.80s: is more than one kind of error", c.answer)
		}
	}
}

func TestNoErrorQuotesAnAnswersValues(t *testing.T) {
	for _, answer := range []string{`{"allow":"hunter2"}`, `{"allow":true,"user":["hunter2"]}`, `{"allow":true,"info":{"a":"hunter2"},"x":"hunter2"}`} {
		if _, err := parseConnect([]byte(answer)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// FuzzAnswers holds whatever a service may answer to: allowed only by a lone, exact "allow":true, and an error is one of three.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{`{"allow":true}`, `{"allow":false,"code":"no","reason":"because"}`,
		`{"allow":true,"user":"ann","info":{"a":1},"channels":["a"],"expires_in":60,"grants":{"chat:*":["subscribe"]}}`,
		`{"allow":true,"data":"AAH/","encoding":"base64","event":"e","key":"k"}`, `{"result":null}`, `{"error":{"code":"x","reason":"y"}}`, `{"ALLOW":true}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var o map[string]json.RawMessage
		json.Unmarshal(b, &o)
		_, connect := parseConnect(b)
		decision, publish := parsePublish(b)
		result, call := parseCall(b)
		for _, err := range []error{connect, parseSubscribe(b), publish} {
			if err == nil && string(o["allow"]) != "true" {
				t.Fatalf("%q is allowed", b)
			}
			if e, ok := errors.AsType[*Error](err); err != nil && (!ok || !isCode(e.Code) || e.Reason == "" || len(e.Reason) > MaxReason) {
				t.Fatalf("%q: %v", b, err)
			}
		}
		if call == nil && o["result"] == nil {
			t.Fatalf("%q is a result", b)
		}
		if call == nil && result.Kind == JSON && !json.Valid(result.Bytes) || publish == nil && decision.Data != nil && decision.Data.Kind == JSON && !json.Valid(decision.Data.Bytes) {
			t.Fatalf("%q gives JSON that is none", b)
		}
	})
}
