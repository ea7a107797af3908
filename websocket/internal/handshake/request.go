package handshake

// The server's reading of a client's handshake (RFC 6455 §4.2.1): one function per demand, in the order in which their
// answers help most.

import (
	"fmt"
	"net/http"
	"strings"
)

// MaxHeaderFields is how many header lines a handshake may have.
const MaxHeaderFields = 64

// CheckRequest returns nil when r is a handshake that RFC 6455 §4.2.1 lets a server accept, and otherwise the answer to
// give. Its header, counted as lines of "name: value" with the Host line, may take maxBytes in [MaxHeaderFields] lines.
// Origin, subprotocols and extensions are left to their own functions. An accepted request costs no allocation.
func CheckRequest(r *http.Request, maxBytes int) *Refusal {
	if refusal := checkSize(r, maxBytes); refusal != nil {
		return refusal
	}
	for _, check := range requestChecks {
		if refusal := check(r); refusal != nil {
			return refusal
		}
	}
	return nil
}

var requestChecks = [...]func(*http.Request) *Refusal{
	checkProto,
	checkMethod,
	checkHost,
	checkUpgrade,
	checkVersion,
	checkKey,
	checkNoBody,
}

// lineOverhead is what a header line has beside its name and value: ": " and CRLF.
const lineOverhead = 4

func checkSize(r *http.Request, maxBytes int) *Refusal {
	lines, size := 1, len("Host")+len(r.Host)+lineOverhead // net/http moves Host out of the header
	for name, values := range r.Header {
		for _, value := range values {
			lines++
			size += len(name) + len(value) + lineOverhead
		}
	}
	if lines > MaxHeaderFields {
		return refuse(http.StatusRequestHeaderFieldsTooLarge,
			"the request has %d header fields; this server takes %d", lines, MaxHeaderFields)
	}
	if size > maxBytes {
		return refuse(http.StatusRequestHeaderFieldsTooLarge,
			"the request's header is %d bytes long; this server takes %d (fewer or shorter cookies may help)", size, maxBytes)
	}
	return nil
}

// checkProto is §4.2.1 item 1. HTTP/1.0 gets 426, not 505: its major version is spoken here, and a server must ignore
// Upgrade in such a request (RFC 9110 §7.8). HTTP/2 has no Upgrade field (RFC 9113 §8.2.2), so 426 is not open to it.
func checkProto(r *http.Request) *Refusal {
	switch {
	case r.ProtoMajor > 1:
		return refuse(http.StatusHTTPVersionNotSupported,
			"the request came over HTTP/%d; this server opens WebSockets over HTTP/1.1 only", r.ProtoMajor)
	case !r.ProtoAtLeast(1, 1):
		return upgradeRequired("the request came over HTTP/%d.%d; a WebSocket handshake needs HTTP/1.1 "+
			"(a proxy in between may have to be told so, as nginx by proxy_http_version 1.1)", r.ProtoMajor, r.ProtoMinor)
	}
	return nil
}

func checkMethod(r *http.Request) *Refusal {
	if r.Method == http.MethodGet || r.Method == "" { // net/http: empty means GET
		return nil
	}
	refusal := refuse(http.StatusMethodNotAllowed, "the method is %s; a WebSocket handshake is a GET", quote(r.Method))
	refusal.Header = http.Header{"Allow": {http.MethodGet}}
	return refusal
}

// checkHost is §4.2.1 item 2.
func checkHost(r *http.Request) *Refusal {
	if r.Host == "" {
		return refuse(http.StatusBadRequest, "Host is missing; send the server's name and port in it")
	}
	return nil
}

// checkUpgrade is §4.2.1 items 3 and 4.
func checkUpgrade(r *http.Request) *Refusal {
	upgrade := HasToken(r.Header, fieldUpgrade, "websocket")
	connection := HasToken(r.Header, fieldConnection, "upgrade")
	const proxyHint = "(a proxy in between may have to be told to pass Upgrade and Connection on)"
	switch {
	case upgrade && connection:
		return nil
	case len(r.Header[fieldUpgrade]) == 0 && !connection:
		return upgradeRequired("this address speaks WebSocket; " +
			"connect with a WebSocket client, which sends Connection: Upgrade and Upgrade: websocket " + proxyHint)
	case !upgrade:
		return upgradeRequired("%s; a WebSocket handshake sends Upgrade: websocket %s",
			describe(r.Header, "Upgrade", fieldUpgrade), proxyHint)
	default:
		return upgradeRequired("%s; a WebSocket handshake sends Connection: Upgrade %s",
			describe(r.Header, "Connection", fieldConnection), proxyHint)
	}
}

// checkVersion is §4.2.1 item 6, with the answer of §4.4. The field must not appear twice (§11.3.5).
func checkVersion(r *http.Request) *Refusal {
	if v := r.Header[fieldVersion]; len(v) == 1 && v[0] == "13" {
		return nil
	}
	return upgradeRequired("%s; this server speaks 13",
		describe(r.Header, "Sec-WebSocket-Version", fieldVersion))
}

// checkKey is §4.2.1 item 5. The field must not appear twice (§11.3.1).
func checkKey(r *http.Request) *Refusal {
	keys := r.Header[fieldKey]
	switch {
	case len(keys) > 1:
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key is sent %d times; send one", len(keys))
	case len(keys) == 0 || !isKey(keys[0]):
		return refuse(http.StatusBadRequest, "%s; send 16 random bytes in base64",
			describe(r.Header, "Sec-WebSocket-Key", fieldKey))
	}
	return nil
}

// checkNoBody keeps a request's body from being read as frames: an upgrade takes effect only behind the whole request
// (RFC 9110 §7.8), and no handshake has any use for a body.
func checkNoBody(r *http.Request) *Refusal {
	if r.ContentLength == 0 && len(r.TransferEncoding) == 0 {
		return nil
	}
	return refuse(http.StatusBadRequest, "the request has a body; a WebSocket handshake has none")
}

func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// upgradeRequired is 426 with what the client has to speak instead (RFC 9110 §15.5.22, RFC 6455 §4.4).
func upgradeRequired(format string, args ...any) *Refusal {
	refusal := refuse(http.StatusUpgradeRequired, format, args...)
	refusal.Header = http.Header{
		fieldUpgrade:    {"websocket"},
		fieldConnection: {"Upgrade"},
		fieldVersion:    {"13"},
	}
	return refusal
}

// describe says what a field holds: `Upgrade is "h2c"`, `Upgrade is missing`.
func describe(h http.Header, label, field string) string {
	lines := h[field]
	if len(lines) == 0 {
		return label + " is missing"
	}
	return label + " is " + quote(strings.Join(lines, ", "))
}
