package load

// This file: the opening handshake, by hand (RFC 6455 section 4.1). The request is the size of a browser's, since some
// servers keep what it said for the life of the connection.

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// handshakeKey is the same for all connections: nothing here depends on its being random.
const handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="

func handshakeRequest(scheme, host, offer string) []byte {
	request := "GET /echo HTTP/1.1\r\n" +
		"Host: " + host + "\r\n" +
		"Connection: Upgrade\r\n" +
		"Pragma: no-cache\r\n" +
		"Cache-Control: no-cache\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Upgrade: websocket\r\n" +
		"Origin: " + scheme + "://" + host + "\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Accept-Language: en-GB,en;q=0.9\r\n" +
		"Cookie: session=0f8fad5bd9cb469fa16570867728950e\r\n" +
		"Sec-WebSocket-Key: " + handshakeKey + "\r\n"
	if offer != "" {
		request += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	return []byte(request + "\r\n")
}

// agreement is what a server made of the offer of permessage-deflate (RFC 7692 section 7.1).
type agreement struct {
	deflate                            bool
	serverNoTakeover, clientNoTakeover bool
	clientWindowBits                   int
}

var headerEnd = []byte("\r\n\r\n")

// parseAnswer reads a whole answer to the handshake. It refuses everything but the acceptance of handshakeKey.
func parseAnswer(answer []byte) (a agreement, err error) {
	a.clientWindowBits = maxWindowBits
	status, rest, _ := strings.Cut(string(bytes.TrimSuffix(answer, headerEnd)), "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return a, fmt.Errorf("the handshake was answered with %q", status)
	}
	accepted := false
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "sec-websocket-accept":
			accepted = value == acceptKey()
		case "sec-websocket-extensions":
			if err := a.parseExtension(value); err != nil {
				return a, err
			}
		}
	}
	if !accepted {
		return a, fmt.Errorf("the handshake's answer does not accept the key: %q", rest)
	}
	return a, nil
}

func (a *agreement) parseExtension(value string) error {
	name, rest, _ := strings.Cut(value, ";")
	if strings.TrimSpace(name) != "permessage-deflate" {
		return fmt.Errorf("the server chose the extension %q, which was not offered", value)
	}
	a.deflate = true
	if rest == "" {
		return nil
	}
	for parameter := range strings.SplitSeq(rest, ";") {
		key, number, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		switch key {
		case "server_no_context_takeover":
			a.serverNoTakeover = true
		case "client_no_context_takeover":
			a.clientNoTakeover = true
		case "server_max_window_bits": // an inflater of the full window reads all
		case "client_max_window_bits":
			bits, err := strconv.Atoi(strings.Trim(number, `"`))
			if err != nil || bits < minWindowBits || bits > maxWindowBits {
				return fmt.Errorf("the server asked for %q", parameter)
			}
			a.clientWindowBits = bits
		default:
			return fmt.Errorf("the server answered the extension parameter %q", parameter)
		}
	}
	return nil
}

func acceptKey() string {
	sum := sha1.Sum([]byte(handshakeKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
