package handshake

// The server's answer that opens the connection (RFC 6455 §4.2.2 item 5), written byte by byte: the connection has left
// net/http by then.

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// AppendResponse appends the whole 101 answer, with its empty line, to dst. key is the client's Sec-WebSocket-Key,
// already checked. subprotocol and extensions are left out when empty. The fields of each extra follow in order of their
// names, except those that belong to the handshake, to this hop or to a body.
//
// A value that would break out of its line, or a name that is no token, is an error, and dst is returned as it was.
func AppendResponse(dst []byte, key, subprotocol, extensions string, extra ...http.Header) ([]byte, error) {
	if subprotocol != "" && !isToken(subprotocol) {
		return dst, fmt.Errorf("the subprotocol %s is not a token", quote(subprotocol))
	}
	if !isFieldValue(extensions) {
		return dst, fmt.Errorf("the extensions %s hold CR, LF or NUL", quote(extensions))
	}
	out := append(dst, "HTTP/1.1 101 Switching Protocols\r\n"+
		"Upgrade: websocket\r\n"+
		"Connection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "...)
	out = appendAcceptKey(out, key)
	out = append(out, "\r\n"...)
	if subprotocol != "" {
		out = appendField(out, "Sec-WebSocket-Protocol", subprotocol)
	}
	if extensions != "" {
		out = appendField(out, "Sec-WebSocket-Extensions", extensions)
	}
	for _, h := range extra {
		var err error
		if out, err = appendExtra(out, h); err != nil {
			return dst, err
		}
	}
	return append(out, "\r\n"...), nil
}

func appendExtra(dst []byte, h http.Header) ([]byte, error) {
	var room [16]string
	names := room[:0]
	for name := range h {
		if !isServersOwn(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			if err := checkField(name, value); err != nil {
				return dst, err
			}
			dst = appendField(dst, name, value)
		}
	}
	return dst, nil
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// isServersOwn tells the fields that only the handshake itself may put into a 101 answer: its own, those of one hop
// (RFC 9110 §7.6.1), and those of a body, which a 101 has not. Middleware sets such fields in good faith for the
// answers it knows, so they are passed over without an error.
func isServersOwn(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case fieldConnection, fieldUpgrade,
		fieldKey, fieldAccept, fieldVersion, fieldProtocol, fieldExtensions,
		"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
		"Content-Length", "Content-Encoding", "Content-Type":
		return true
	}
	return strings.HasPrefix(name, http.TrailerPrefix) // a key of net/http that is no field at all
}

// checkField guards against header injection. The value stays out of the message: it may be a secret.
func checkField(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("the header field name %s is not a token", quote(name))
	}
	if !isFieldValue(value) {
		return fmt.Errorf("the value of the header field %s holds CR, LF or NUL", quote(name))
	}
	return nil
}
