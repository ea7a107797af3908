// A small Socket.IO client for the tests, over a WebSocket or over polling.

package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// socketPatience is how long anything may take.
const socketPatience = 20 * time.Second

// socket is a Socket.IO client in the namespace "/". Only its test uses it.
type socket struct {
	t       *testing.T
	write   func(packet string, binary bool)
	packets chan string // of Engine.IO; binary ones behind "b"; closed at the end
	id, pid string
	last    string // the offset that came last
	acks    int
	waiting []event // that came while something else was waited for
	returns bool    // it has claimed what it missed
	gone    string  // what was said of the end
}

// event is one of the server's: its name and its arguments, bytes as {"base64":"…"}.
type event struct {
	name string
	args []json.RawMessage
}

// dialSocket opens a connection over a WebSocket, with a query of its own.
func dialSocket(t *testing.T, node *server.Server, query string, o *websocket.DialOptions) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/socket.io/?EIO=4&transport=websocket%s", node.Addr(), query), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	s := &socket{t: t, packets: make(chan string, 1000)}
	s.write = func(packet string, binary bool) {
		kind := websocket.Text
		if binary {
			kind = websocket.Binary
		}
		conn.Write(t.Context(), kind, []byte(packet))
	}
	go func() {
		defer close(s.packets)
		for {
			kind, payload, err := conn.Read(t.Context())
			if err != nil {
				return
			}
			s.arrived(string(payload), kind == websocket.Binary)
		}
	}()
	return s
}

// pollSocket opens a connection over polling.
func pollSocket(t *testing.T, node *server.Server) *socket {
	t.Helper()
	url := fmt.Sprintf("http://%s/socket.io?EIO=4&transport=polling", node.Addr())
	get := func() ([]string, bool) {
		response, err := http.Get(url)
		if err != nil {
			return nil, false
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return strings.Split(string(body), "\x1e"), response.StatusCode == http.StatusOK
	}
	open, ok := get()
	var opened struct{ SID string }
	if err := json.Unmarshal([]byte(open[0][1:]), &opened); !ok || err != nil {
		t.Fatalf("%q: %v", open, err)
	}
	url += "&sid=" + opened.SID
	s := &socket{t: t, packets: make(chan string, 1000)}
	s.write = func(packet string, binary bool) {
		if binary {
			packet = "b" + base64.StdEncoding.EncodeToString([]byte(packet))
		}
		if response, err := http.Post(url, "text/plain;charset=UTF-8", strings.NewReader(packet)); err == nil {
			response.Body.Close()
		}
	}
	go func() {
		defer close(s.packets)
		for {
			packets, ok := get()
			if !ok {
				return
			}
			for _, packet := range packets {
				if binary, is := strings.CutPrefix(packet, "b"); is {
					content, _ := base64.StdEncoding.DecodeString(binary)
					s.arrived(string(content), true)
					continue
				}
				if packet == "1" {
					return
				}
				s.arrived(packet, false)
			}
		}
	}()
	return s
}

// arrived takes a packet, on the goroutine that reads.
func (s *socket) arrived(packet string, binary bool) {
	switch {
	case binary:
		s.packets <- "b" + packet
	case packet == "2":
		s.write("3", false)
	case strings.HasPrefix(packet, "4"):
		s.packets <- packet[1:]
	}
}

// next is the next packet of Socket.IO; ok is false when the connection has ended.
func (s *socket) next() (packet string, ok bool) {
	s.t.Helper()
	select {
	case packet, ok := <-s.packets:
		return packet, ok
	case <-time.After(socketPatience):
		s.t.Fatal("nothing came")
	}
	return "", false
}

// connect connects with an auth, and returns the refusal, if it is one.
func (s *socket) connect(auth string) (refusal string) {
	s.t.Helper()
	s.returns = strings.Contains(auth, `"pid"`)
	s.write("40"+auth, false)
	for {
		packet, ok := s.next()
		if !ok {
			s.t.Fatal("the connection ended in place of an answer to CONNECT")
		}
		switch packet[0] {
		case '0':
			var told struct{ SID, PID string }
			if err := json.Unmarshal([]byte(packet[1:]), &told); err != nil {
				s.t.Fatal(err)
			}
			s.id, s.pid = told.SID, told.PID
			return ""
		case '4':
			return packet[1:]
		}
		s.keep(packet)
	}
}

// auth is that of a client that comes back.
func (s *socket) auth(more string) string {
	return fmt.Sprintf(`{"pid":%q,"offset":%q%s}`, s.pid, s.last, more)
}

// emit sends an event with an acknowledgement, and returns that: the arguments as an array. JSON follows the name; attachments are those that it has
// placeholders for.
func (s *socket) emit(args string, attachments ...string) string {
	s.t.Helper()
	s.acks++
	if len(attachments) > 0 {
		s.write(fmt.Sprintf("45%d-%d[%s]", len(attachments), s.acks, args), false)
	} else {
		s.write(fmt.Sprintf("42%d[%s]", s.acks, args), false)
	}
	for _, a := range attachments {
		s.write(a, true)
	}
	for {
		packet, ok := s.next()
		if !ok {
			s.t.Fatalf("the connection ended in place of the answer to [%s]", args)
		}
		if rest, is := strings.CutPrefix(packet, fmt.Sprint("3", s.acks)); is {
			return rest
		}
		if packet[0] == '6' {
			return s.filled(packet)
		}
		s.keep(packet)
	}
}

// answered emits, and decodes the object that is the answer.
func (s *socket) answered(args string, attachments ...string) (a struct {
	OK        bool
	Channel   string
	Cursor    string
	Recovered *bool
	Offset    uint64
	User      string
	Duplicate bool
	Sessions  int
	Members   []struct{ Session string }
	Messages  []struct{ Data any }
	Error     struct{ Code, Message string }
}) {
	s.t.Helper()
	text := s.emit(args, attachments...)
	if err := json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")), &a); err != nil {
		s.t.Fatalf("[%s]: %s: %v", args, text, err)
	}
	return a
}

// keep notes an event.
func (s *socket) keep(packet string) {
	s.t.Helper()
	array := packet[1:]
	switch packet[0] {
	case '1':
		s.gone = "io server disconnect"
		return
	case '5':
		array = s.filled(packet)
	}
	var args []json.RawMessage
	if err := json.Unmarshal([]byte(array), &args); err != nil {
		s.t.Fatalf("%q: %v", packet, err)
	}
	var e event
	json.Unmarshal(args[0], &e.name)
	e.args = args[1:]
	if n := len(e.args); n > 0 && e.args[n-1][0] == '"' { // as the client does
		json.Unmarshal(e.args[n-1], &s.last)
		if s.pid != "" || s.returns {
			e.args = e.args[:n-1]
		}
	}
	s.waiting = append(s.waiting, e)
}

// filled is the array of a packet with attachments.
func (s *socket) filled(packet string) string {
	s.t.Helper()
	var count int
	fmt.Sscanf(packet[1:], "%d-", &count)
	array := packet[strings.IndexByte(packet, '['):]
	for i := range count {
		content, _ := s.next()
		array = strings.Replace(array, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i),
			fmt.Sprintf(`{"base64":%q}`, base64.StdEncoding.EncodeToString([]byte(content[1:]))), 1)
	}
	return array
}

// event is the next event.
func (s *socket) event() event {
	s.t.Helper()
	for len(s.waiting) == 0 {
		packet, ok := s.next()
		if !ok {
			s.t.Fatal("the connection ended in place of an event")
		}
		s.keep(packet)
	}
	e := s.waiting[0]
	s.waiting = s.waiting[1:]
	return e
}

// ended waits until the connection, or the socket on it, has ended.
func (s *socket) ended() {
	s.t.Helper()
	for s.gone == "" {
		packet, ok := s.next()
		if !ok {
			s.gone = "transport close"
			return
		}
		s.keep(packet)
	}
}

// expect reads the next event, which must be this: its name and its arguments as JSON.
func (s *socket) expect(want string) {
	s.t.Helper()
	if got := s.event().String(); got != want {
		s.t.Errorf("%s\ncame in place of\n%s", got, want)
	}
}

// String is the event without what differs from run to run.
func (e event) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s", e.name)
	for _, arg := range e.args {
		var about map[string]any
		if json.Unmarshal(arg, &about) == nil && about["offset"] != nil {
			fmt.Fprintf(&b, " %v#%v", about["channel"], about["offset"])
			continue
		}
		fmt.Fprintf(&b, " %s", arg)
	}
	return b.String()
}

// answeringCalls is a configuration whose calls are answered by a function.
func answeringCalls(t *testing.T, answer func(*backend.Request) any) config.Config {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := backend.Verify(r, []backend.Secret{hookSecret}, 0)
		var asked backend.Request
		if err != nil || json.Unmarshal(body, &asked) != nil {
			t.Errorf("%s, %v", body, err)
		}
		json.NewEncoder(w).Encode(answer(&asked))
	}))
	t.Cleanup(service.Close)
	return changed(func(c *config.Config) {
		c.Dev, c.Backend.Secret, c.Backend.Call, c.Backend.Timeout = true, hookSecret, service.URL, 30*time.Second
	})
}
