package handshake

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestAppendResponse(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + sampleAccept + "\r\n"
	for _, tc := range []struct {
		name                    string
		subprotocol, extensions string
		extra                   []http.Header
		want                    string
	}{
		{"the least", "", "", nil, head + "\r\n"},
		{"the RFC's example", "chat", "", nil, head + "Sec-WebSocket-Protocol: chat\r\n\r\n"},
		{"extensions", "", "permessage-deflate; server_no_context_takeover", nil,
			head + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"},
		{"extra fields in order", "chat", "x",
			[]http.Header{{"X-B": {"2", "3"}, "X-A": {"1"}, "X-None": nil}, nil, {"Set-Cookie": {"a=b"}}},
			head + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n" +
				"X-A: 1\r\nX-B: 2\r\nX-B: 3\r\nSet-Cookie: a=b\r\n\r\n"},
		{"fields that are not the caller's are passed over", "", "", []http.Header{{
			"Connection": {"close"}, "upgrade": {"h2c"}, "Keep-Alive": {"timeout=5"}, "Proxy-Connection": {"close"},
			"TE": {"trailers"}, "Trailer": {"X"}, "Transfer-Encoding": {"chunked"},
			"Content-Length": {"5"}, "Content-Type": {"text/plain"}, "Content-Encoding": {"gzip"},
			"Sec-WebSocket-Accept": {"x"}, "Sec-Websocket-Accept": {"x"}, "Sec-Websocket-Protocol": {"x"},
			"Sec-Websocket-Extensions": {"x"}, "sec-websocket-key": {"x"}, "Sec-Websocket-Version": {"8"},
			http.TrailerPrefix + "X": {"x"},
		}}, head + "\r\n"},
	} {
		got, err := AppendResponse([]byte("before"), sampleKey, tc.subprotocol, tc.extensions, tc.extra...)
		if err != nil || string(got) != "before"+tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestAppendResponseRefusesHeaderInjection(t *testing.T) {
	for _, tc := range []struct {
		name                    string
		subprotocol, extensions string
		extra                   http.Header
	}{
		{"CRLF in a value", "", "", http.Header{"X": {"secret\r\nSet-Cookie: a=b"}}},
		{"LF in a value", "", "", http.Header{"X": {"secret\nY: z"}}},
		{"CR in a value", "", "", http.Header{"X": {"secret\rY: z"}}},
		{"NUL in a value", "", "", http.Header{"X": {"secret\x00"}}},
		{"a fault in the second value", "", "", http.Header{"X": {"fine", "secret\n"}}},
		{"CRLF in a name", "", "", http.Header{"X: y\r\nZ": {"1"}}},
		{"a space in a name", "", "", http.Header{"X y": {"1"}}},
		{"an empty name", "", "", http.Header{"": {"1"}}},
		{"CRLF in the subprotocol", "chat\r\nX: y", "", nil},
		{"a list for the subprotocol", "chat, mqtt", "", nil},
		{"CRLF in the extensions", "", "x\r\nX: y", nil},
	} {
		got, err := AppendResponse([]byte("before"), sampleKey, tc.subprotocol, tc.extensions, tc.extra)
		if err == nil {
			t.Errorf("%s: accepted as %q", tc.name, got)
		} else if string(got) != "before" || strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %q, %q", tc.name, got, err)
		}
	}
}

func TestWriteRefusal(t *testing.T) {
	for _, tc := range []struct {
		name       string
		refusal    *Refusal
		connection []string
	}{
		{"426 keeps Upgrade in Connection", upgradeRequired("no"), []string{"close", "Upgrade"}},
		{"400", refuse(http.StatusBadRequest, "no"), []string{"close"}},
		{"403", refuse(http.StatusForbidden, "no"), []string{"close"}},
		{"431", refuse(http.StatusRequestHeaderFieldsTooLarge, "no"), []string{"close"}},
		{"405 leaves the connection open", checkMethod(&http.Request{Method: "PUT"}), nil},
		{"505 leaves the connection open", refuse(http.StatusHTTPVersionNotSupported, "no"), nil},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-Middleware", "kept")
		WriteRefusal(w, tc.refusal)
		got := w.Result()
		if got.StatusCode != tc.refusal.Status || w.Body.String() != tc.refusal.Reason+"\n" {
			t.Errorf("%s: answered %d %q", tc.name, got.StatusCode, w.Body)
		}
		if c := got.Header["Connection"]; !slices.Equal(c, tc.connection) {
			t.Errorf("%s: Connection is %q, want %q", tc.name, c, tc.connection)
		}
		for field, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
			"Content-Length": "", "X-Middleware": "kept",
			"Allow": tc.refusal.Header.Get("Allow"), "Upgrade": tc.refusal.Header.Get("Upgrade"),
			"Sec-Websocket-Version": tc.refusal.Header.Get("Sec-WebSocket-Version"),
		} {
			if got := got.Header.Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", tc.name, field, got, want)
			}
		}
	}
}

// What net/http makes of the fields is part of the answer: it rewrites Connection, and it must not take the bytes behind
// a refused handshake for a second request.
func TestRefusalOnTheWire(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteRefusal(w, CheckRequest(r, testMaxBytes))
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const plain = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
	if _, err := io.WriteString(conn, plain+plain); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	answer := string(got)
	if n := strings.Count(answer, "HTTP/1.1 426 Upgrade Required\r\n"); n != 1 {
		t.Errorf("%d answers, want one and then the end:\n%s", n, answer)
	}
	for _, want := range []string{
		"\r\nConnection: close\r\nConnection: Upgrade\r\n", "\r\nUpgrade: websocket\r\n",
		"\r\nSec-Websocket-Version: 13\r\n", "\r\n\r\nthis address speaks WebSocket; ",
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
}

func TestRefusalIsAnErrorThatNamesItsStatus(t *testing.T) {
	var err error = refuse(http.StatusForbidden, "no")
	if got, want := err.Error(), "handshake refused with 403 Forbidden: no"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
