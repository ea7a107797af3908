package handshake

// Sec-WebSocket-Protocol: what a client offers (RFC 6455 §4.1 item 10) and what a server makes of it (§4.2.2 item 4).

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxSubprotocols keeps the search for duplicates short.
const maxSubprotocols = 32

// ParseSubprotocols returns the subprotocols that h offers, in the client's order of preference, nil when the field is
// absent. An element that is no token, a repeated one, more than 32 of them, or more than 8 KiB in all is an error.
// The result aliases the strings of h.
func ParseSubprotocols(h http.Header) ([]string, error) {
	lines := h[fieldProtocol]
	if len(lines) == 0 {
		return nil, nil
	}
	if n := listBytes(lines); n > maxListBytes {
		return nil, fmt.Errorf("Sec-WebSocket-Protocol is %d bytes long; the limit is %d", n, maxListBytes)
	}
	var list []string
	for _, line := range lines {
		for more := true; more; {
			var element string
			element, line, more = strings.Cut(line, ",")
			if element = trimOWS(element); element == "" {
				continue // empty list elements are skipped (RFC 9110 §5.6.1.2)
			}
			if err := checkSubprotocol(element, list); err != nil {
				return nil, fmt.Errorf("Sec-WebSocket-Protocol: %w", err)
			}
			list = append(list, element)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("Sec-WebSocket-Protocol is empty; leave it out to ask for no subprotocol")
	}
	return list, nil
}

// checkSubprotocol reports why name may not join those in list.
func checkSubprotocol(name string, list []string) error {
	switch {
	case !isToken(name):
		return fmt.Errorf("%s is not a token; a subprotocol has no spaces, quotes, slashes or other separators", quote(name))
	case slices.Contains(list, name):
		return fmt.Errorf("%s is offered twice", quote(name))
	case len(list) == maxSubprotocols:
		return fmt.Errorf("more than %d subprotocols are offered", maxSubprotocols)
	}
	return nil
}

// ChooseSubprotocol returns the first of server that client offers too, and "" when there is none. Subprotocols are
// compared exactly: their case matters.
func ChooseSubprotocol(server, client []string) string {
	for _, name := range server {
		if slices.Contains(client, name) {
			return name
		}
	}
	return ""
}
