// Clients of each transport, as the web has them: what they read, in a form that can be compared.

package channelhttp_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// heard is a publication as a client understood it. What its transport has no words for is empty.
type heard struct {
	channel string
	event   string
	data    string
	binary  bool
	id      string // the cursor after it
}

// reader is a client that hears one publication after the other.
type reader interface{ hear(t *testing.T) heard }

// rawReader is a raw WebSocket.
type rawReader struct{ *websocket.Conn }

func (r rawReader) hear(t *testing.T) heard {
	t.Helper()
	kind, payload, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return heard{data: string(payload), binary: kind == websocket.Binary}
}

// eventReader reads an event stream as the HTML standard says (§9.2.6).
type eventReader struct {
	response *http.Response
	lines    *bufio.Reader
	lastID   string
	retry    string
	objects  bool
	close    func()
}

// event is one as it was dispatched; comments are skipped.
type event struct{ name, data, encoding, id string }

// next reads one event. An event without data is dispatched nowhere, but its id counts.
func (r *eventReader) next() (e event, err error) {
	hasData := false
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			r.lastID = value
		case "event":
			e.name = value
		case "encoding":
			e.encoding = value
		case "retry":
			r.retry = value
		case "data":
			if hasData {
				e.data += "\n"
			}
			e.data += value
			hasData = true
		}
		if line == "\n" {
			if hasData {
				e.id = r.lastID
				return e, nil
			}
			e = event{}
		}
	}
}

func (r *eventReader) must(t *testing.T) event {
	t.Helper()
	e, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// begin reads until the client knows where it is.
func (r *eventReader) begin(t testing.TB) *eventReader {
	t.Helper()
	for r.lastID == "" {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			r.lastID = strings.TrimSpace(id)
			r.lines.ReadString('\n')
		}
	}
	return r
}

func (r *eventReader) hear(t *testing.T) heard {
	t.Helper()
	e := r.must(t)
	if r.objects {
		h := decode(t, []byte(e.data))
		if e.name != h.event {
			t.Errorf("the event is %q, in its object %q", e.name, h.event)
		}
		h.id = e.id
		return h
	}
	h := heard{event: e.name, data: e.data, id: e.id, binary: e.encoding == "base64"}
	if h.binary {
		h.data = fromBase64(t, e.data)
		if h.event == "binary" {
			h.event = ""
		}
	}
	return h
}

func fromBase64(t testing.TB, text string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// object is a publication in JSON.
type object struct {
	Channel, Event, Encoding, Key, Cursor, User string
	Data                                        json.RawMessage
	Offset                                      uint64
	Time                                        time.Time
	Conflated                                   bool
}

func decode(t testing.TB, b []byte) heard {
	t.Helper()
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	h := heard{channel: o.Channel, event: o.Event, id: o.Cursor, binary: o.Encoding == "base64", data: string(o.Data)}
	var text string
	if json.Unmarshal(o.Data, &text) == nil {
		h.data = text
	}
	if h.binary {
		h.data = fromBase64(t, text)
	}
	if o.Offset == 0 || o.Time.IsZero() || time.Since(o.Time) > time.Hour {
		t.Errorf("offset %d, time %v", o.Offset, o.Time)
	}
	return h
}

// answer is the answer to a poll.
type answer struct {
	Messages  []json.RawMessage
	Cursor    string
	Recovered *bool
	Gaps      []struct {
		Channel  string
		From, To uint64
	}
}

// pollReader polls again and again.
type pollReader struct {
	node  *node
	path  string // with a query
	wait  string
	after string
	left  []json.RawMessage
}

func (r *pollReader) hear(t *testing.T) heard {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for len(r.left) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("polled in vain")
		}
		a := r.node.poll(r.path + "&after=" + r.after + "&wait=" + r.wait)
		r.left, r.after = a.Messages, a.Cursor
	}
	h := decode(t, r.left[0])
	r.left = r.left[1:]
	return h
}

// poll asks once.
func (n *node) poll(pathAndQuery string) (a answer) {
	n.t.Helper()
	response, body := n.do("GET", pathAndQuery, nil, "")
	if response.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %s", response.Status, body)
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		n.t.Fatalf("%v: %s", err, body)
	}
	return a
}

// do sends a request with net/http, and returns the whole answer.
func (n *node) do(method, pathAndQuery string, header map[string]string, body string) (*http.Response, string) {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), method, "http://"+n.host+pathAndQuery, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	return response, read(n.t, response)
}

func read(t testing.TB, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	var all strings.Builder
	if _, err := bufio.NewReader(response.Body).WriteTo(&all); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// listen opens an event stream over a bare socket, as curl would.
func (n *node) listen(pathAndQuery string, header ...string) *eventReader {
	n.t.Helper()
	conn, err := dialSmall(n.t.Context(), "tcp", n.host)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return n.listenOn(conn, pathAndQuery, header...)
}

func (n *node) listenOn(conn net.Conn, pathAndQuery string, header ...string) *eventReader {
	n.t.Helper()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n%s\r\n", pathAndQuery, n.host,
		strings.Join(append(header, ""), "\r\n"))
	lines := bufio.NewReader(conn)
	response, err := http.ReadResponse(lines, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		n.t.Fatalf("%s, %v: %s", response.Status, response.Header, read(n.t, response))
	}
	objects := strings.Contains(pathAndQuery, "format=json") || strings.Contains(pathAndQuery, "channel=")
	return &eventReader{response: response, lines: bufio.NewReader(response.Body), objects: objects, close: func() { conn.Close() }}
}

func path(channel string) string { return "/channels/" + url.PathEscape(channel) + "?" }
