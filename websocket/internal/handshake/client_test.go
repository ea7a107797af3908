package handshake

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestClientHeader(t *testing.T) {
	user := http.Header{"Origin": {"http://a.example"}, "Cookie": {"a=b", "c=d"}}
	got, err := ClientHeader(user, sampleKey, []string{"chat", "superchat"}, "permessage-deflate")
	want := http.Header{
		"Upgrade":                  {"websocket"},
		"Connection":               {"Upgrade"},
		"Sec-WebSocket-Key":        {sampleKey},
		"Sec-WebSocket-Version":    {"13"},
		"Sec-WebSocket-Protocol":   {"chat, superchat"},
		"Sec-WebSocket-Extensions": {"permessage-deflate"},
		"Origin":                   {"http://a.example"},
		"Cookie":                   {"a=b", "c=d"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	got["Cookie"][0] = "changed"
	if len(user) != 2 || user["Cookie"][0] != "a=b" {
		t.Errorf("the caller's header became %v", user)
	}
	got, err = ClientHeader(nil, sampleKey, nil, "")
	if err != nil || len(got) != 4 {
		t.Errorf("without options: got %v, %v, want the four fields that every handshake has", got, err)
	}
}

func TestClientHeaderRefuses(t *testing.T) {
	for _, tc := range []struct {
		name         string
		user         http.Header
		subprotocols []string
		extensions   string
		want         string
	}{
		{"Upgrade", http.Header{"Upgrade": {"x"}}, nil, "", `"Upgrade" is not the caller's to set: the handshake sets it`},
		{"Connection in lower case", http.Header{"connection": {"x"}}, nil, "", `"connection" is not the caller's`},
		{"the key", http.Header{"Sec-WebSocket-Key": {"x"}}, nil, "", "the handshake sets it"},
		{"the version", http.Header{"Sec-Websocket-Version": {"8"}}, nil, "", "the handshake sets it"},
		{"the server's proof", http.Header{"Sec-Websocket-Accept": {"x"}}, nil, "", "the handshake sets it"},
		{"subprotocols", http.Header{"Sec-Websocket-Protocol": {"x"}}, nil, "", "list subprotocols in Subprotocols"},
		{"extensions", http.Header{"Sec-Websocket-Extensions": {"x"}}, nil, "", "their own options"},
		{"Host", http.Header{"Host": {"x"}}, nil, "", "set the option Host"},
		{"a body's length", http.Header{"Content-Length": {"0"}}, nil, "", "a handshake has no body"},
		{"a transfer coding", http.Header{"transfer-encoding": {"chunked"}}, nil, "", "a handshake has no body"},
		{"CRLF in a value", http.Header{"X": {"a\r\nY: b"}}, nil, "", `the value of the header field "X" holds CR, LF or NUL`},
		{"CRLF in a name", http.Header{"X\r\n": {"a"}}, nil, "", "is not a token"},
		{"CRLF in the extensions", nil, nil, "x\r\ny", "hold CR, LF or NUL"},
		{"an empty subprotocol", nil, []string{"chat", ""}, "", `entry 2 of Subprotocols: "" is not a token`},
		{"two subprotocols in one", nil, []string{"chat, mqtt"}, "", "is not a token"},
		{"CRLF in a subprotocol", nil, []string{"chat\r\n"}, "", "is not a token"},
		{"a subprotocol twice", nil, []string{"chat", "mqtt", "chat"}, "", `entry 3 of Subprotocols: "chat" is offered twice`},
		{"too many subprotocols", nil, strings.Split(strings.TrimSuffix(numbered(33), ","), ","), "", "more than 32"},
		{"subprotocols too long", nil, []string{strings.Repeat("a", maxListBytes+1)}, "", "take 8193 bytes; the limit is 8192"},
	} {
		got, err := ClientHeader(tc.user, sampleKey, tc.subprotocols, tc.extensions)
		if err == nil {
			t.Errorf("%s: accepted as %v", tc.name, got)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q, want an error with %q", tc.name, err, tc.want)
		}
	}
}

// sampleResponse is the server's handshake of RFC 6455 §1.3.
const sampleResponse = `HTTP/1.1 101 Switching Protocols
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
Sec-WebSocket-Protocol: chat`

func response(t testing.TB, text string) *http.Response {
	t.Helper()
	text = strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatalf("%q is no response: %v", text, err)
	}
	return resp
}

func TestCheckResponseAccepts(t *testing.T) {
	const choice = "\nSec-WebSocket-Protocol: chat"
	for _, tc := range []struct {
		name, old, new string
		subprotocol    string
		extensions     string
	}{
		{"the RFC's example", "", "", "chat", ""},
		{"no subprotocol though some were offered", choice, "", "", ""},
		{"another that was offered", choice, "\nSec-WebSocket-Protocol: superchat", "superchat", ""},
		{"Upgrade in any case", "Upgrade: websocket", "Upgrade: WebSocket", "chat", ""},
		{"Connection as a list in any case", "Connection: Upgrade", "Connection: keep-alive, upgrade", "chat", ""},
		{"any reason phrase", "Switching Protocols", "Web Socket Protocol Handshake", "chat", ""},
		{"extensions", choice, "\nSec-WebSocket-Extensions: a; x=\"1\"\nSec-WebSocket-Extensions: b", "", "a; x=1, b"},
	} {
		resp := response(t, strings.Replace(sampleResponse, tc.old, tc.new, 1))
		subprotocol, ext, err := CheckResponse(resp, sampleKey, []string{"superchat", "chat"})
		if err != nil || subprotocol != tc.subprotocol || FormatExtensions(ext) != tc.extensions {
			t.Errorf("%s: got %q, %+v, %v", tc.name, subprotocol, ext, err)
		}
	}
}

func TestCheckResponseRefuses(t *testing.T) {
	const accept = "\nSec-WebSocket-Accept: " + sampleAccept
	const choice = "\nSec-WebSocket-Protocol: chat"
	for _, tc := range []struct{ name, old, new, want string }{
		// §4.1, the client's checks, item 1
		{"200", "101 Switching Protocols", "200 OK", "the server answered 200 OK where 101 was expected"},
		{"404 of an HTTP/1.0 server", "HTTP/1.1 101 Switching Protocols", "HTTP/1.0 404 Nope", "the server answered 404 Not Found"},
		{"426 that names versions", "101 Switching Protocols", "426 Upgrade Required\nSec-WebSocket-Version: 8, 7",
			`it says that Sec-WebSocket-Version is "8, 7", and this client speaks 13`},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", "101 over HTTP/1.0 where HTTP/1.1 was expected"},
		{"HTTP/2", "HTTP/1.1", "HTTP/2.0", "101 over HTTP/2.0 where HTTP/1.1 was expected"},
		// item 2
		{"no Upgrade", "Upgrade: websocket\n", "", "Upgrade is missing where Upgrade: websocket was expected"},
		{"another Upgrade", "Upgrade: websocket", "Upgrade: h2c", `Upgrade is "h2c"`},
		{"Upgrade to two things", "Upgrade: websocket", "Upgrade: websocket, h2c", `Upgrade is "websocket, h2c"`},
		{"two Upgrade fields", "Upgrade: websocket", "Upgrade: websocket\nUpgrade: websocket", "Upgrade is"},
		// item 3
		{"no Connection", "Connection: Upgrade\n", "", "Connection is missing where Connection: Upgrade was expected"},
		{"another Connection", "Connection: Upgrade", "Connection: keep-alive", `Connection is "keep-alive"`},
		{"Connection: close", "Connection: Upgrade", "Connection: close", "Connection holds close where Connection: Upgrade was expected"},
		// item 4
		{"no proof", accept, "", "Sec-WebSocket-Accept is missing where \"" + sampleAccept + `" was expected`},
		{"the key for a proof", sampleAccept, sampleKey, `Sec-WebSocket-Accept is "` + sampleKey + `"`},
		{"a proof in another case", "s3pPLM", "S3pPLM", `Sec-WebSocket-Accept is "S3pPLM`},
		{"two proofs", accept, accept + accept, "Sec-WebSocket-Accept is"},
		// item 5
		{"malformed extensions", choice, "\nSec-WebSocket-Extensions: a;", "malformed: Sec-WebSocket-Extensions, line 1, byte 3"},
		{"empty extensions", choice, "\nSec-WebSocket-Extensions:", "malformed: Sec-WebSocket-Extensions is empty"},
		// item 6
		{"a subprotocol that was not offered", "Protocol: chat", "Protocol: mqtt", `"mqtt", which is not among the 2 offered`},
		{"a subprotocol in another case", "Protocol: chat", "Protocol: Chat", `"Chat", which is not among`},
		{"a list of subprotocols", "Protocol: chat", "Protocol: chat, superchat", `"chat, superchat", which is not among`},
		{"two subprotocol fields", choice, choice + choice, "chose 2 subprotocols"},
		{"an empty subprotocol", "Protocol: chat", "Protocol:", `"", which is not among`},
	} {
		text := strings.Replace(sampleResponse, tc.old, tc.new, 1)
		if text == sampleResponse {
			t.Errorf("%s: the row changes nothing", tc.name)
			continue
		}
		subprotocol, ext, err := CheckResponse(response(t, text), sampleKey, []string{"superchat", "chat"})
		if err == nil {
			t.Errorf("%s: accepted", tc.name)
		} else if !strings.Contains(err.Error(), tc.want) || subprotocol != "" || ext != nil {
			t.Errorf("%s: got %q, %+v, %q, want an error with %q", tc.name, subprotocol, ext, err, tc.want)
		}
	}
	_, _, err := CheckResponse(response(t, sampleResponse), sampleKey, nil)
	if want := `the server chose the subprotocol "chat"; none was offered`; err == nil || err.Error() != want {
		t.Errorf("a subprotocol without an offer: got %v, want %q", err, want)
	}
}

// FuzzRequest reads any bytes as a request; what the server accepts, a client must accept in turn.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(sampleRequest, "\n", "\r\n") + "\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.0\r\n\r\n"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		if refusal := CheckRequest(r, testMaxBytes); refusal != nil {
			checkFit(t, "refusal", refusal)
			return
		}
		if refusal := (Origins{}).Check(r); refusal != nil {
			checkFit(t, "refused origin", refusal)
		}
		offered, err := ParseSubprotocols(r.Header)
		if err != nil {
			return
		}
		key, subprotocol := r.Header.Get("Sec-WebSocket-Key"), ChooseSubprotocol(offered, offered)
		answer, err := AppendResponse(nil, key, subprotocol, "")
		if err != nil {
			t.Fatalf("no answer to %q: %v", data, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), r)
		if err != nil {
			t.Fatalf("%q is no response: %v", answer, err)
		}
		if chosen, ext, err := CheckResponse(resp, key, offered); err != nil || chosen != subprotocol || ext != nil {
			t.Fatalf("%q reads as %q, %+v, %v", answer, chosen, ext, err)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(sampleResponse, "\n", "\r\n") + "\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
		if err != nil {
			return
		}
		offered := []string{"chat", "superchat"}
		chosen, _, err := CheckResponse(resp, sampleKey, offered)
		switch {
		case err != nil && (len(err.Error()) > 1000 || chosen != ""):
			t.Fatalf("chose %q beside an error of %d bytes", chosen, len(err.Error()))
		case err == nil && chosen != "" && ChooseSubprotocol(offered, []string{chosen}) == "":
			t.Fatalf("chose %q", chosen)
		case err == nil && resp.Header.Get("Sec-WebSocket-Accept") != sampleAccept:
			t.Fatalf("accepted %q", data)
		}
	})
}

// The two sides of this package, over net/http's own reading and writing of requests.
func Example() {
	key := NewKey()
	header, err := ClientHeader(nil, key, []string{"chat"}, "permessage-deflate")
	if err != nil {
		panic(err)
	}
	sent := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "a.example", Path: "/"}, Header: header}
	var wire bytes.Buffer
	if err := sent.Write(&wire); err != nil {
		panic(err)
	}

	received, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		panic(err)
	}
	if refusal := CheckRequest(received, 8<<10); refusal != nil {
		panic(refusal)
	}
	offered, err := ParseSubprotocols(received.Header)
	if err != nil {
		panic(err)
	}
	answer, err := AppendResponse(nil, received.Header.Get("Sec-WebSocket-Key"), ChooseSubprotocol([]string{"mqtt", "chat"}, offered), "")
	if err != nil {
		panic(err)
	}

	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), sent)
	if err != nil {
		panic(err)
	}
	fmt.Println(CheckResponse(resp, key, []string{"chat"}))
	// Output: chat [] <nil>
}
