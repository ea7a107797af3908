package channelhttp

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

// FuzzRequest has requests read: what is accepted is within its bounds, and what is refused has a code.
func FuzzRequest(f *testing.F) {
	f.Add("lobby", "after=aaaaaaaa-7.bbbbbbbb-0&wait=30s&limit=10", "text/event-stream", "", "")
	f.Add("", "channel=a&channel=b&channel=a&format=json&transport=sse", "*/*;q=0.1", "cccccccc-1", "")
	f.Add("a/b", "wait=-1&limit=0&after=%zz&after", "text/event-stream;q=x", "7", "h2c, WebSocket")
	f.Fuzz(func(t *testing.T, channel, query, accept, lastID, upgrade string) {
		r := &http.Request{Method: "GET", URL: &url.URL{RawQuery: query}, Header: http.Header{
			"Accept": {accept}, "Last-Event-Id": {lastID}, "Upgrade": {upgrade}}}
		r.SetPathValue("channel", channel)
		q, err := parse(r)
		if err != nil {
			refused(t, err)
			return
		}
		if len(q.channels) == 0 || len(q.channels) > maxChannels || q.wait < 0 || q.wait > maxWait || q.limit < 1 || q.limit > maxLimit ||
			!q.resume && len(q.after) > 0 {
			t.Fatalf("accepted as %+v", q)
		}
		for i, name := range q.channels {
			if hub.CheckChannel(name) != nil || strings.Contains(strings.Join(q.channels[:i], "\n")+"\n", "\n"+name+"\n") {
				t.Fatalf("accepted the channels %q", q.channels)
			}
		}
	})
}

// FuzzContentType has the kind of a payload read.
func FuzzContentType(f *testing.F) {
	for _, text := range []string{"", "text/plain; charset=utf-8", "application/json", "application/ld+json", "image/png", "text", "a/b;c", ";", "multipart/form-data; boundary=\"x"} {
		f.Add(text, "identity")
	}
	f.Fuzz(func(t *testing.T, contentType, coding string) {
		kind, err := kindOf(http.Header{"Content-Type": {contentType}, "Content-Encoding": {coding}})
		if err != nil {
			refused(t, err)
		} else if kind > hub.Binary {
			t.Fatalf("kind %d", kind)
		}
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*hub.Error](err)
	if !ok || e.Message == "" || len(e.Message) > 2000 {
		t.Fatalf("refused with %v", err)
	}
	if r, _ := hub.RefusalOf(err); r.Status >= 500 {
		t.Fatalf("refused with %d: %v", r.Status, err)
	}
}

// FuzzEvent writes text as an event, and reads it back as a browser does: nothing of it may become a field of its own.
func FuzzEvent(f *testing.F) {
	for _, text := range []string{"", "hello", "a\nb", "a\r\nb\rc\n", "\n", "data: x\n\nid: 7\n\n", ":", "\x00"} {
		f.Add("", text)
		f.Add("name", text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if strings.ContainsAny(name, "\r\n") { // refused when it is published
			return
		}
		event := appendEvent(nil, "aaaaaaaa-7", name, []byte(text))
		id, body, found := bytes.Cut(event, []byte("\n"))
		if !found || string(id) != "id: aaaaaaaa-7" || !bytes.Equal(body, withoutID(event)) {
			t.Fatalf("written as %q", event)
		}
		body = bytes.TrimSuffix(body, []byte("\n\n"))
		lines := strings.Split(string(body), "\n")
		if name != "" {
			if lines[0] != "event: "+name {
				t.Fatalf("the event is in %q", lines[0])
			}
			lines = lines[1:]
		}
		for i, line := range lines {
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok || strings.Contains(data, "\r") {
				t.Fatalf("a line is %q", line)
			}
			lines[i] = data
		}
		want := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
		if got := strings.Join(lines, "\n"); got != want {
			t.Fatalf("%q is read as %q", text, got)
		}
	})
}
