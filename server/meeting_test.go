// One channel, every client: what each protocol's clients say, all others hear, in the same order.

package server_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/websocket"
)

// guest is a client of some protocol in the channel "lobby".
type guest struct {
	name string
	// sayJSON and sayBytes publish.
	sayJSON, sayBytes func(payload string)
	// hear returns the next publication: JSON as it is, bytes as base64 behind "bytes ".
	hear func() string
}

func TestEveryClientHearsWhatEveryClientSaysInOneOrder(t *testing.T) {
	node := start(t, inDevMode())
	guests := []*guest{rawGuest(t, node), eventsGuest(t, node), pollGuest(t, node), nativeGuest(t, node), socketGuest(t, node, "websocket"), socketGuest(t, node, "polling")}
	var said []string
	for round := range 3 {
		for i, g := range guests {
			object := fmt.Sprintf(`{"from":%d,"round":%d,"list":[null,"é<&>"]}`, i, round)
			g.sayJSON(object)
			bytes := string([]byte{byte(i), 0, 0xff, '\n', byte(round)})
			g.sayBytes(bytes)
			said = append(said, object, "bytes "+base64.StdEncoding.EncodeToString([]byte(bytes)))
			for _, listener := range guests { // the next one to speak knows, so that there is one order
				for _, want := range said[len(said)-2:] {
					if got := listener.hear(); got != want {
						t.Fatalf("%s heard %s, not %s from %s", listener.name, got, want, g.name)
					}
				}
			}
		}
	}
	for _, g := range guests { // now all at once: the order is the channel's, whatever it is
		g.sayJSON(`{"from":` + quoted(g.name) + `}`)
	}
	var order []string
	for range guests {
		order = append(order, guests[0].hear())
	}
	for _, g := range guests[1:] {
		for i, want := range order {
			if got := g.hear(); got != want {
				t.Errorf("%s heard as number %d %s, and %s heard %s", g.name, i, got, guests[0].name, want)
			}
		}
	}
}

func posts(t *testing.T, node *server.Server, kind string) func(string) {
	return func(payload string) {
		response, err := http.Post(fmt.Sprintf("http://%s/channels/lobby", node.Addr()), kind, strings.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatal(response.Status)
		}
	}
}

func encoded(b []byte) string { return "bytes " + base64.StdEncoding.EncodeToString(b) }

func rawGuest(t *testing.T, node *server.Server) *guest {
	conn := dial(t, node, "/channels/lobby?format=json")
	say := func(kind websocket.MessageType) func(string) {
		return func(payload string) {
			if err := conn.Write(t.Context(), kind, []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &guest{"the bare WebSocket", say(websocket.Text), say(websocket.Binary), func() string {
		kind, payload, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.Binary {
			return encoded(payload)
		}
		return string(payload)
	}}
}

func eventsGuest(t *testing.T, node *server.Server) *guest {
	stream := bufio.NewScanner(request(t, node, "GET", "/channels/lobby?transport=sse", "", "").Body)
	return &guest{"the EventSource", posts(t, node, "application/json"), posts(t, node, "application/octet-stream"), func() string {
		prefix := ""
		for stream.Scan() {
			if stream.Text() == "encoding: base64" {
				prefix = "bytes "
			}
			if data, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
				return prefix + data
			}
		}
		t.Fatal(stream.Err())
		return ""
	}}
}

// messageObject is a publication as an object.
type messageObject struct {
	Type, Encoding string
	Data           json.RawMessage
}

func (m *messageObject) String() string {
	if m.Encoding == "base64" {
		var content []byte
		json.Unmarshal(m.Data, &content)
		return encoded(content)
	}
	return string(m.Data)
}

func pollGuest(t *testing.T, node *server.Server) *guest {
	var page struct {
		Cursor   string
		Messages []messageObject
	}
	poll := func() {
		response := request(t, node, "GET", "/channels/lobby?wait=25s&after="+page.Cursor, "", "")
		body, _ := io.ReadAll(response.Body)
		page.Messages = nil
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	response := request(t, node, "GET", "/channels/lobby", "", "")
	json.NewDecoder(response.Body).Decode(&page)
	return &guest{"the long poll", posts(t, node, "application/json"), posts(t, node, "application/octet-stream"), func() string {
		for len(page.Messages) == 0 {
			poll()
		}
		first := page.Messages[0]
		page.Messages = page.Messages[1:]
		return first.String()
	}}
}

func nativeGuest(t *testing.T, node *server.Server) *guest {
	conn := dial(t, node, "/connect")
	write := func(format string, args ...any) {
		if err := conn.Write(t.Context(), websocket.Text, fmt.Appendf(nil, format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	next := func(kind string) string {
		for {
			_, payload, err := conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var m messageObject
			if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&m); err != nil || m.Type == "error" {
				t.Fatalf("%s: %v", payload, err)
			}
			if m.Type == kind {
				return m.String()
			}
		}
	}
	write(`{"type":"subscribe","id":1,"channel":"lobby"}`)
	next("subscribed")
	return &guest{"the native client", func(p string) { write(`{"type":"publish","channel":"lobby","data":%s}`, p) }, func(p string) {
		write(`{"type":"publish","channel":"lobby","encoding":"base64","data":%q}`, base64.StdEncoding.EncodeToString([]byte(p)))
	}, func() string { return next("message") }}
}

func socketGuest(t *testing.T, node *server.Server, transport string) *guest {
	s := pollSocket
	if transport == "websocket" {
		s = func(t *testing.T, node *server.Server) *socket { return dialSocket(t, node, "", nil) }
	}
	client := s(t, node)
	if refusal := client.connect(""); refusal != "" {
		t.Fatal(refusal)
	}
	client.answered(`"join","lobby"`)
	say := func(args string, attachments ...string) {
		if got := client.answered(args, attachments...); !got.OK {
			t.Fatalf("%+v", got)
		}
	}
	return &guest{"the Socket.IO client over " + transport, func(p string) { say(`"publish","lobby",` + p) }, func(p string) {
		say(`"publish","lobby",{"_placeholder":true,"num":0}`, p)
	}, func() string {
		e := client.event()
		if len(e.args) != 2 || e.name != "message" {
			t.Fatalf("%v", e)
		}
		var content struct{ Base64 []byte }
		if json.Unmarshal(e.args[0], &content); content.Base64 != nil {
			return encoded(content.Base64)
		}
		return string(e.args[0])
	}}
}
