package backend_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// block is one of docs/hooks.md that is fenced: a language, what the page says it is, and its text.
type block struct{ language, is, text string }

var fenced = regexp.MustCompile("(?ms)^```(\\w+) ?(.*?)\n(.*?)^```")

func page(t *testing.T) (text string, blocks []block) {
	t.Helper()
	b, err := os.ReadFile("../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fenced.FindAllStringSubmatch(string(b), -1) {
		blocks = append(blocks, block{m[1], m[2], m[3]})
	}
	return string(b), blocks
}

// exchanges is a service that answers what it is told and keeps what it was asked.
func exchanges(t *testing.T) (h *backend.Hooks, answer *string, asked chan []byte) {
	answer, asked = new(string), make(chan []byte, 1)
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- body
		io.WriteString(w, *answer)
	}).URL, backend.HookOptions{Timeout: patient})
	o.ConnectHeaders, o.ConnectCookies = []string{"Accept-Language"}, []string{"chat_session"}
	return start(t, o), answer, asked
}

// ask has the hooks ask what a request of the page says.
func ask(t *testing.T, h *backend.Hooks, r backend.Request) error {
	t.Helper()
	ctx := t.Context()
	client := backend.Client{Session: r.Session, User: r.User, Info: r.Info, Remote: r.Remote, Protocol: r.Protocol}
	data, err := r.Payload()
	if err != nil {
		t.Fatal(err)
	}
	switch r.Hook {
	case backend.Connect:
		header := http.Header{"Authorization": {"not listed"}}
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		for name, value := range r.Cookies {
			header.Add("Cookie", name+"="+value)
		}
		_, err = h.Connect(ctx, backend.ConnectRequest{Client: client, Header: header})
	case backend.Subscribe:
		err = h.Subscribe(ctx, backend.SubscribeRequest{Client: client, Channel: r.Channel})
	case backend.Publish:
		_, err = h.Publish(ctx, backend.PublishRequest{Client: client, Channel: r.Channel, Event: r.Event, Key: r.Key, Data: data})
	case backend.Call:
		_, err = h.Call(ctx, backend.CallRequest{Client: client, Method: r.Method, Channel: r.Channel, Data: data})
	case backend.Disconnect:
		err = h.Disconnect(ctx, backend.DisconnectRequest{Client: client, Code: r.Code, Reason: r.Reason})
	default:
		t.Fatalf("the page has a hook %q", r.Hook)
	}
	return err
}

// same compares two JSON objects but for id and time, which differ each time.
func same(t *testing.T, got, want []byte) bool {
	t.Helper()
	var g, w map[string]any
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil {
		t.Fatalf("%v: %s, %s", err, got, want)
	}
	for _, o := range []map[string]any{g, w} {
		if _, err := time.Parse(time.RFC3339, o["time"].(string)); err != nil || len(o["time"].(string)) != 24 || len(o["id"].(string)) != 20 {
			t.Errorf("%v: %v", o, err)
		}
		delete(o, "id")
		delete(o, "time")
	}
	return reflect.DeepEqual(g, w)
}

func TestThePageAboutHooksIsTrue(t *testing.T) {
	h, answer, asked := exchanges(t)
	_, blocks := page(t)
	request := backend.Request{Hook: backend.Subscribe, Session: "s"} // for the answer that comes before any request
	requests, answers := 0, 0
	for _, b := range blocks {
		kind, outcome, _ := strings.Cut(b.is, ": ")
		switch {
		case b.is == "request":
			requests++
			request = backend.Request{}
			if err := json.Unmarshal([]byte(b.text), &request); err != nil {
				t.Fatalf("%v: %s", err, b.text)
			}
			*answer = "{}"
			ask(t, h, request) // denied, for this is no answer
			if got := <-asked; !same(t, got, []byte(b.text)) {
				t.Errorf("the page has %s\nand it is %s", b.text, got)
			}
		case strings.HasPrefix(kind, "answer"):
			answers++
			*answer = b.text
			want := map[string]error{"allowed": nil, "denied": backend.ErrDenied}[outcome]
			if err := ask(t, h, request); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s to %s: %v", b.text, request.Hook, err)
			}
			<-asked
		}
	}
	if requests != 6 || answers != 11 {
		t.Errorf("%d requests and %d answers were found on the page", requests, answers)
	}
}

func TestThePageAboutEventsIsTrue(t *testing.T) {
	_, blocks := page(t)
	got := make(chan []byte, 10)
	for _, b := range blocks {
		if b.is != "events" {
			continue
		}
		var want struct{ Events []map[string]any }
		if err := json.Unmarshal([]byte(b.text), &want); err != nil {
			t.Fatal(err)
		}
		e := eventsTo(t, backend.EventsOptions{Dir: t.TempDir(), URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got <- body
		}).URL, MaxBatch: 1})
		for i, one := range want.Events {
			text := func(name string) string { s, _ := one[name].(string); return s }
			at, err := time.Parse(time.RFC3339, text("time"))
			if err != nil {
				t.Fatal(err)
			}
			event := backend.Event{Kind: backend.EventKind(text("kind")), Time: at, Channel: text("channel"), Session: text("session"), User: text("user"),
				Event: text("event"), Key: text("key"), Epoch: text("epoch"), Data: backend.Payload{Bytes: []byte(text("data"))}}
			if one["info"] != nil {
				event.Info, _ = json.Marshal(one["info"])
			}
			if offset, ok := one["offset"].(float64); ok {
				event.Offset = uint64(offset)
			}
			if err := e.Add(event); err != nil {
				t.Fatal(err)
			}
			var sent map[string]any
			json.Unmarshal(<-got, &sent)
			of := sent["events"].([]any)[0].(map[string]any)
			if id := of["id"].(string); !strings.HasSuffix(id, text("id")[12:]) || len(id) != len(text("id")) {
				t.Errorf("event %d has the id %s", i, id)
			}
			delete(of, "id")
			delete(one, "id")
			if !reflect.DeepEqual(of, one) || sent["lost"] != 0.0 || len(sent) != 4 {
				t.Errorf("the page has %v\nand it is %v", one, sent)
			}
		}
		return
	}
	t.Error("the page shows no events")
}

func TestThePagesSignaturesAreTrue(t *testing.T) {
	text, blocks := page(t)
	if !strings.Contains(text, "\n    "+vector[strings.Index(vector, "v1=")+3:]+"\n") {
		t.Error("the page has another test vector")
	}
	for _, b := range blocks {
		if b.language != "js" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*patient)
		defer cancel()
		program := exec.CommandContext(ctx, "node", "-e", b.text+`
			const [header, body, secret] = process.argv.slice(1), at = 1767366245;
			console.log(JSON.stringify([
				verify(header, body, secret, at), verify('v1=00,' + header, body, secret, at + 300),
				verify(header, body + ' ', secret, at), verify(header, body, secret + '!', at), verify(header, body, secret, at + 301),
				verify(header, body, secret, at - 301), verify(header.slice(0, -2), body, secret, at), verify('', body, secret, at), verify(undefined, body, secret, at)]));`,
			vector, vectorBody, string(secret))
		out, err := program.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "[true,true,false,false,false,false,false,false,false]" {
			t.Errorf("the page's function for Node: %s, %v (install Node if it is missing)", got, err)
		}
		return
	}
	t.Error("the page has no function for Node")
}
