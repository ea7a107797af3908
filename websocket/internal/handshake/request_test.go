package handshake

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// request reads a request as net/http's server would. Lines end in \n here; %s in them is not special.
func request(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("%q is no request: %v", text, err)
	}
	return r
}

// sampleRequest is the client's handshake of RFC 6455 §1.3.
const sampleRequest = `GET /chat HTTP/1.1
Host: server.example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Origin: http://example.com
Sec-WebSocket-Protocol: chat, superchat
Sec-WebSocket-Version: 13`

const testMaxBytes = 8 << 10

func TestCheckRequestAccepts(t *testing.T) {
	for _, tc := range []struct{ name, old, new string }{
		{"the RFC's example", "", ""},
		{"no Origin, no subprotocol", "Origin: http://example.com\nSec-WebSocket-Protocol: chat, superchat\n", ""},
		{"Upgrade in any case", "Upgrade: websocket", "Upgrade: WebSocket"},
		{"Upgrade as a list", "Upgrade: websocket", "Upgrade: h2c, websocket"},
		{"Connection as Firefox sends it", "Connection: Upgrade", "Connection: keep-alive, Upgrade"},
		{"Connection on two lines", "Connection: Upgrade", "Connection: keep-alive\nConnection: upgrade"},
		{"field names in any case", "Sec-WebSocket-Key", "sec-websocket-KEY"},
		{"a later HTTP/1", "HTTP/1.1", "HTTP/1.9"},
		{"an absolute URI", "GET /chat", "GET http://server.example.com/chat"},
		{"Content-Length: 0", "\nHost", "\nContent-Length: 0\nHost"},
		{"unknown fields", "\nHost", "\nX-Other: 1\nHost"},
	} {
		if refusal := CheckRequest(request(t, strings.Replace(sampleRequest, tc.old, tc.new, 1)), testMaxBytes); refusal != nil {
			t.Errorf("%s: %v", tc.name, refusal)
		}
	}
}

func TestCheckRequestRefuses(t *testing.T) {
	const upgrade = "Upgrade: websocket\nConnection: Upgrade\n"
	const key = "Sec-WebSocket-Key: " + sampleKey + "\n"
	const version = "\nSec-WebSocket-Version: 13"
	for _, tc := range []struct {
		name, old, new string
		status         int
		reason         string // in the reason
	}{
		// §4.2.1 item 1
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 426, "over HTTP/1.0; a WebSocket handshake needs HTTP/1.1"},
		{"HTTP/2", "HTTP/1.1", "HTTP/2.0", 505, "over HTTP/2; this server opens WebSockets over HTTP/1.1 only"},
		{"HEAD", "GET", "HEAD", 405, `the method is "HEAD"; a WebSocket handshake is a GET`},
		{"POST", "GET", "POST", 405, `the method is "POST"`},
		{"an endless method", "GET", strings.Repeat("X", 5000), 405, `XX"...; a WebSocket handshake`},
		{"a method in lower case", "GET", "get", 405, `the method is "get"`},
		// item 2
		{"an empty Host", "Host: server.example.com", "Host:", 400, "Host is missing"},
		// items 3 and 4
		{"a plain request", upgrade, "", 426, "this address speaks WebSocket"},
		{"a page load", upgrade, "Connection: keep-alive\n", 426, "this address speaks WebSocket"},
		{"no Upgrade", "Upgrade: websocket\n", "", 426, "Upgrade is missing"},
		{"Upgrade to something else", "Upgrade: websocket", "Upgrade: h2c", 426, `Upgrade is "h2c"; a WebSocket handshake sends Upgrade: websocket`},
		{"Upgrade to a longer word", "Upgrade: websocket", "Upgrade: websockets", 426, `Upgrade is "websockets"`},
		{"Upgrade with a version", "Upgrade: websocket", "Upgrade: websocket/13", 426, `Upgrade is "websocket/13"`},
		{"Upgrade with letters that only Unicode folds", "Upgrade: websocket", "Upgrade: web\u017focket", 426, `Upgrade is "web\u017focket"`},
		{"no Connection", "Connection: Upgrade\n", "", 426, "Connection is missing; a WebSocket handshake sends Connection: Upgrade"},
		{"Connection without upgrade", "Connection: Upgrade", "Connection: keep-alive", 426, `Connection is "keep-alive"`},
		// item 5
		{"no key", key, "", 400, "Sec-WebSocket-Key is missing; send 16 random bytes in base64"},
		{"an empty key", key, "Sec-WebSocket-Key:\n", 400, `Sec-WebSocket-Key is ""`},
		{"a short key", key, "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\n", 400, `is "dGhlIHNhbXBsZQ=="; send 16`},
		{"a key that is not base64", key, "Sec-WebSocket-Key: " + strings.Repeat("*", 24) + "\n", 400, `Sec-WebSocket-Key is "***`},
		{"two keys", key, key + key, 400, "Sec-WebSocket-Key is sent 2 times; send one"},
		{"two keys on one line", key, "Sec-WebSocket-Key: " + sampleKey + ", " + sampleKey + "\n", 400, "Sec-WebSocket-Key is"},
		// item 6
		{"no version", version, "", 426, "Sec-WebSocket-Version is missing; this server speaks 13"},
		{"an old version", "Version: 13", "Version: 8", 426, `Sec-WebSocket-Version is "8"; this server speaks 13`},
		{"a list of versions", "Version: 13", "Version: 13, 8", 426, `Sec-WebSocket-Version is "13, 8"`},
		{"two versions", version, version + version, 426, `Sec-WebSocket-Version is "13, 13"`},
		{"a version with a leading zero", "Version: 13", "Version: 013", 426, `Sec-WebSocket-Version is "013"`},
		// our own
		{"a body", "\nHost", "\nContent-Length: 5\nHost", 400, "the request has a body"},
		{"a chunked body", "\nHost", "\nTransfer-Encoding: chunked\nHost", 400, "the request has a body"},
		{"too many fields", "\nHost", "\nHost" + ": server.example.com" + strings.Repeat("\nX: y", 58) + "\nX-Host", 431, "has 66 header fields; this server takes 64"},
		{"many small lines of one name", "\nHost", strings.Repeat("\nX:", 100) + "\nHost", 431, "header fields"},
		{"a header too long", "\nHost", "\nCookie: " + strings.Repeat("c", testMaxBytes) + "\nHost", 431, "this server takes 8192 (fewer or shorter cookies may help)"},
		{"a Host too long", "Host: server", "Host: " + strings.Repeat("h", testMaxBytes), 431, "this server takes 8192"},
	} {
		text := strings.Replace(sampleRequest, tc.old, tc.new, 1)
		if text == sampleRequest {
			t.Errorf("%s: the row changes nothing", tc.name)
			continue
		}
		refusal := CheckRequest(request(t, text), testMaxBytes)
		if refusal == nil {
			t.Errorf("%s: accepted", tc.name)
			continue
		}
		if refusal.Status != tc.status || !strings.Contains(refusal.Reason, tc.reason) {
			t.Errorf("%s: got %d %q, want %d with %q", tc.name, refusal.Status, refusal.Reason, tc.status, tc.reason)
		}
		checkFit(t, tc.name, refusal)
	}
}

// checkFit holds a refusal against what RFC 9110 and RFC 6455 ask of its status, and its reason against being one short
// printable line.
func checkFit(t testing.TB, name string, refusal *Refusal) {
	t.Helper()
	switch refusal.Status {
	case http.StatusMethodNotAllowed:
		if refusal.Header.Get("Allow") != "GET" {
			t.Errorf("%s: 405 without Allow", name)
		}
	case http.StatusUpgradeRequired:
		for field, want := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"} {
			if got := refusal.Header.Get(field); got != want {
				t.Errorf("%s: 426 with %s: %q, want %q", name, field, got, want)
			}
		}
	}
	if len(refusal.Reason) > 600 {
		t.Errorf("%s: the reason has %d bytes", name, len(refusal.Reason))
	}
	for _, c := range []byte(refusal.Reason) {
		if c < 0x20 || c > 0x7e {
			t.Errorf("%s: the reason %q holds byte %#x", name, refusal.Reason, c)
			break
		}
	}
}

func TestCheckRequestCountsExactly(t *testing.T) {
	r := request(t, "GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"+
		"Sec-WebSocket-Key: "+sampleKey)
	size := len("Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \r\n") +
		len(sampleKey)
	if refusal := CheckRequest(r, size); refusal != nil {
		t.Errorf("%d bytes are refused where %d are allowed: %v", size, size, refusal)
	}
	if CheckRequest(r, size-1) == nil {
		t.Errorf("%d bytes are accepted where %d are allowed", size, size-1)
	}
	for range MaxHeaderFields - 5 {
		r.Header.Add("X", "")
	}
	if refusal := CheckRequest(r, testMaxBytes); refusal != nil {
		t.Errorf("%d fields are refused: %v", MaxHeaderFields, refusal)
	}
	r.Header.Add("X", "")
	if CheckRequest(r, testMaxBytes) == nil {
		t.Errorf("%d fields are accepted", MaxHeaderFields+1)
	}
}

func BenchmarkCheckAndAnswer(b *testing.B) {
	r := request(b, sampleRequest)
	key := r.Header.Get("Sec-WebSocket-Key")
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if refusal := CheckRequest(r, testMaxBytes); refusal != nil {
			b.Fatal(refusal)
		}
		if _, err := AppendResponse(buf, key, "chat", ""); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCheckAndAnswerDoNotAllocate(t *testing.T) {
	r := request(t, sampleRequest)
	buf := make([]byte, 0, 512)
	n := testing.AllocsPerRun(100, func() {
		if CheckRequest(r, testMaxBytes) != nil {
			t.Error("refused")
		}
		if _, err := AppendResponse(buf, sampleKey, "chat", "permessage-deflate"); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("a handshake allocates %v times", n)
	}
}
