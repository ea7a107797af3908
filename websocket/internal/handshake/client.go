package handshake

// The client's side (RFC 6455 §4.1): the fields of its request, and its reading of the answer.

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
)

// ClientHeader returns the header of a client's handshake: user's fields and the handshake's. user is not changed.
//
// Fields that collide with the handshake's, names that are no tokens and values that would break out of their line are
// errors, as are subprotocols that are no tokens or repeated. The handshake's fields are keyed as the RFC spells them
// ("Sec-WebSocket-Key"), not in Go's canonical form, because servers exist that compare their case; Get does not find
// them.
func ClientHeader(user http.Header, key string, subprotocols []string, extensions string) (http.Header, error) {
	h := make(http.Header, len(user)+6)
	for name, values := range user {
		if err := checkUserField(name, values); err != nil {
			return nil, err
		}
		h[name] = slices.Clone(values)
	}
	if !isFieldValue(extensions) {
		return nil, fmt.Errorf("the extensions %s hold CR, LF or NUL", quote(extensions))
	}
	h["Upgrade"] = []string{"websocket"}
	h["Connection"] = []string{"Upgrade"}
	h["Sec-WebSocket-Key"] = []string{key}
	h["Sec-WebSocket-Version"] = []string{"13"}
	if len(subprotocols) > 0 {
		list, err := joinSubprotocols(subprotocols)
		if err != nil {
			return nil, err
		}
		h["Sec-WebSocket-Protocol"] = []string{list}
	}
	if extensions != "" {
		h["Sec-WebSocket-Extensions"] = []string{extensions}
	}
	return h, nil
}

func checkUserField(name string, values []string) error {
	instead := ""
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case fieldConnection, fieldUpgrade, fieldKey, fieldVersion, fieldAccept:
		instead = "the handshake sets it"
	case fieldProtocol:
		instead = "list subprotocols in Subprotocols"
	case fieldExtensions:
		instead = "extensions are negotiated by their own options"
	case "Host":
		instead = "set the option Host"
	case "Content-Length", "Transfer-Encoding", "Trailer":
		instead = "a handshake has no body"
	}
	if instead != "" {
		return fmt.Errorf("the header field %s is not the caller's to set: %s", quote(name), instead)
	}
	for _, value := range values {
		if err := checkField(name, value); err != nil {
			return err
		}
	}
	return nil
}

// joinSubprotocols renders the offer as one line, held to the bounds that [ParseSubprotocols] sets a client.
func joinSubprotocols(names []string) (string, error) {
	line := ""
	for i, name := range names {
		if err := checkSubprotocol(name, names[:i]); err != nil {
			return "", fmt.Errorf("entry %d of Subprotocols: %w", i+1, err)
		}
		if i > 0 {
			line += ", "
		}
		line += name
	}
	if len(line) > maxListBytes {
		return "", fmt.Errorf("the subprotocols take %d bytes; the limit is %d", len(line), maxListBytes)
	}
	return line, nil
}

// CheckResponse holds the server's answer against §4.1: it must be a 101 over HTTP/1.1 whose fields prove that the
// server read key and chose at most one subprotocol, out of offered. The extensions are returned as the server sent
// them; it is the caller who knows what was offered, and who must fail the connection over anything else. The body of
// resp is not touched.
func CheckResponse(resp *http.Response, key string, offered []string) (subprotocol string, ext []Extension, err error) {
	if err := checkStatus(resp); err != nil {
		return "", nil, err
	}
	if err := checkSwitch(resp); err != nil {
		return "", nil, err
	}
	if err := checkAccept(resp.Header, key); err != nil {
		return "", nil, err
	}
	if subprotocol, err = checkChoice(resp.Header, offered); err != nil {
		return "", nil, err
	}
	if ext, err = ParseExtensions(resp.Header); err != nil {
		return "", nil, fmt.Errorf("the server's answer is malformed: %w", err)
	}
	return subprotocol, ext, nil
}

// checkStatus is item 1 of the client's checks.
func checkStatus(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return checkResponseProto(resp)
	}
	err := fmt.Errorf("the server answered %d %s where 101 was expected", resp.StatusCode, http.StatusText(resp.StatusCode))
	if len(resp.Header[fieldVersion]) > 0 && !HasToken(resp.Header, fieldVersion, "13") {
		return fmt.Errorf("%w: it says that %s, and this client speaks 13", err,
			describe(resp.Header, "Sec-WebSocket-Version", fieldVersion))
	}
	return err
}

// checkResponseProto refuses what no HTTP/1.0 client or server knows: a 101 (RFC 9110 §15.2).
func checkResponseProto(resp *http.Response) error {
	if resp.ProtoMajor == 1 && resp.ProtoMinor >= 1 {
		return nil
	}
	return fmt.Errorf("the server answered 101 over HTTP/%d.%d where HTTP/1.1 was expected", resp.ProtoMajor, resp.ProtoMinor)
}

// checkSwitch is items 2 and 3. Upgrade must be "websocket" and nothing else, Connection may name more.
func checkSwitch(resp *http.Response) error {
	h := resp.Header
	if v := h[fieldUpgrade]; len(v) != 1 || !equalFold(trimOWS(v[0]), "websocket") {
		return fmt.Errorf("the server switched to something else: %s where Upgrade: websocket was expected",
			describe(h, "Upgrade", fieldUpgrade))
	}
	if resp.Close && len(h[fieldConnection]) == 0 { // net/http takes the field away when "close" is in it
		return errors.New("the server is about to close: Connection holds close where Connection: Upgrade was expected")
	}
	if !HasToken(h, fieldConnection, "upgrade") {
		return fmt.Errorf("the server did not switch: %s where Connection: Upgrade was expected",
			describe(h, "Connection", fieldConnection))
	}
	return nil
}

// checkAccept is item 4. The field must not appear twice (§11.3.3).
func checkAccept(h http.Header, key string) error {
	want := AcceptKey(key)
	if v := h[fieldAccept]; len(v) == 1 && trimOWS(v[0]) == want {
		return nil
	}
	return fmt.Errorf("the server did not prove that it read the handshake: %s where %q was expected",
		describe(h, "Sec-WebSocket-Accept", fieldAccept), want)
}

// checkChoice is item 6. The field must not appear twice (§11.3.4). Leaving it out is the server's right.
func checkChoice(h http.Header, offered []string) (string, error) {
	v := h[fieldProtocol]
	if len(v) == 0 {
		return "", nil
	}
	if len(v) > 1 {
		return "", fmt.Errorf("the server chose %d subprotocols: %s where at most one was expected", len(v),
			describe(h, "Sec-WebSocket-Protocol", fieldProtocol))
	}
	chosen := trimOWS(v[0])
	switch {
	case slices.Contains(offered, chosen):
		return chosen, nil
	case len(offered) == 0:
		return "", fmt.Errorf("the server chose the subprotocol %s; none was offered", quote(chosen))
	default:
		return "", fmt.Errorf("the server chose the subprotocol %s, which is not among the %d offered", quote(chosen), len(offered))
	}
}
