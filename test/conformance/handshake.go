// The opening handshake from the tester's side, and the agreement on compression.

package conformance

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Deflate is what a case wants to agree on. It is written from the tester's side: "own" messages are those that the
// tester sends.
type Deflate struct {
	ownReset, peerReset bool // without context takeover
	ownBits, peerBits   int  // window bits; 0 is not named, and anyBits is named without a value

	offer, answer string // to be sent instead of what the fields say, by a client or by a server
	declined      bool   // a server must answer the offer, and without the extension
}

// anyBits is client_max_window_bits without a value.
const anyBits = -1

// agreement is what was agreed on, from the tester's side.
type agreement struct {
	deflate deflater
	inflate inflater
}

// params are the parameters of one offer or answer, by name; "" where there is no value.
type params map[string]string

const (
	extension   = "permessage-deflate"
	serverReset = "server_no_context_takeover"
	clientReset = "client_no_context_takeover"
	serverBits  = "server_max_window_bits"
	clientBits  = "client_max_window_bits"
)

// value writes d as a client's offer or a server's answer.
func (d *Deflate) value(server bool) string {
	ownReset, peerReset, ownBits, peerBits := clientReset, serverReset, clientBits, serverBits
	if server {
		ownReset, peerReset, ownBits, peerBits = peerReset, ownReset, peerBits, ownBits
	}
	s := extension
	for _, p := range []struct {
		name string
		set  bool
	}{{ownReset, d.ownReset}, {peerReset, d.peerReset}} {
		if p.set {
			s += "; " + p.name
		}
	}
	for _, p := range []struct {
		name string
		bits int
	}{{ownBits, d.ownBits}, {peerBits, d.peerBits}} {
		if p.bits == anyBits {
			s += "; " + p.name
		} else if p.bits > 0 {
			s += "; " + p.name + "=" + strconv.Itoa(p.bits)
		}
	}
	return s
}

// extensions takes the values of Sec-WebSocket-Extensions apart and returns those of permessage-deflate.
func extensions(headers []string) ([]params, error) {
	var found []params
	for _, element := range strings.Split(strings.Join(headers, ","), ",") {
		if strings.TrimSpace(element) == "" {
			continue
		}
		fields := strings.Split(element, ";")
		if strings.TrimSpace(fields[0]) != extension {
			return nil, fmt.Errorf("unknown extension in %q", headers)
		}
		p := params{}
		for _, field := range fields[1:] {
			name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			if _, twice := p[name]; twice || !slices.Contains([]string{serverReset, clientReset, serverBits, clientBits}, name) {
				return nil, fmt.Errorf("unknown or repeated parameter %q in %q", name, headers)
			}
			p[name] = strings.Trim(value, `"`)
		}
		found = append(found, p)
	}
	return found, nil
}

// bits is the value of a window parameter, 15 if there is none.
func (p params) bits(name string) (int, error) {
	value, ok := p[name]
	if !ok || value == "" && name == clientBits {
		return 15, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 8 || n > 15 {
		return 0, fmt.Errorf("%s=%q", name, value)
	}
	return n, nil
}

// agree makes p, a server's answer, the agreement.
func (s *session) agree(p params) error {
	server, err := p.bits(serverBits)
	if err != nil {
		return err
	}
	client, err := p.bits(clientBits)
	if err != nil {
		return err
	}
	_, resetsServer := p[serverReset]
	_, resetsClient := p[clientReset]
	own, peer, resetsOwn, resetsPeer := client, server, resetsClient, resetsServer
	if s.server {
		own, peer, resetsOwn, resetsPeer = peer, own, resetsPeer, resetsOwn
	}
	s.agreed = &agreement{
		deflate: deflater{window: 1 << own, takeover: !resetsOwn},
		inflate: inflater{window: 1 << peer, takeover: !resetsPeer},
	}
	return nil
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// accepts is Sec-WebSocket-Accept for a key.
func accepts(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// connect is the client's handshake.
func (s *session) connect(c *Case, path string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: conformance.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", path, sampleKey)
	if d := c.Deflate; d != nil {
		offer := d.offer
		if offer == "" {
			offer = d.value(false)
		}
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", offer)
	}
	b.WriteString("\r\n")
	if err := s.start(c, b.Bytes()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return readError(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") ||
		!strings.EqualFold(resp.Header.Get("Connection"), "upgrade") || resp.Header.Get("Sec-WebSocket-Accept") != accepts(sampleKey) {
		return fmt.Errorf("the answer is %s with %v", resp.Status, resp.Header)
	}
	return s.checkAnswer(c.Deflate, resp.Header.Values("Sec-WebSocket-Extensions"))
}

// start writes the handshake, with what the case sends along with it.
func (s *session) start(c *Case, handshake []byte) error {
	s.holding = true
	early, err := c.early(s)
	s.holding = false
	s.write(append(handshake, early...))
	return err
}

// checkAnswer checks a server's answer against what was offered.
func (s *session) checkAnswer(d *Deflate, headers []string) error {
	answers, err := extensions(headers)
	if err != nil {
		return err
	}
	switch {
	case d == nil || d.declined:
		if len(answers) > 0 {
			return fmt.Errorf("the answer has an extension: %q", headers)
		}
		return nil
	case len(answers) == 0:
		return ErrNoDeflate
	case len(answers) > 1:
		return fmt.Errorf("the answer has the extension twice: %q", headers)
	}
	p := answers[0]
	if err := s.agree(p); err != nil {
		return fmt.Errorf("%w in the answer %q", err, headers)
	}
	if d.offer == "" {
		if err := d.permits(p); err != nil {
			return fmt.Errorf("the answer %q does not fit the offer %q: %w", headers, d.value(false), err)
		}
	}
	return nil
}

// permits checks an answer against the offer that d is (RFC 7692 §7.1).
func (d *Deflate) permits(p params) error {
	if _, ok := p[serverReset]; d.peerReset && !ok {
		return errors.New("the server would keep its context")
	}
	if bits, _ := p.bits(serverBits); d.peerBits > 0 && bits > d.peerBits {
		return fmt.Errorf("the server would use a window of %d bits", bits)
	}
	if value, ok := p[clientBits]; ok {
		bits, _ := p.bits(clientBits)
		if d.ownBits == 0 || value == "" || d.ownBits > 0 && bits > d.ownBits {
			return fmt.Errorf("%s=%q was not offered", clientBits, value)
		}
	}
	return nil
}

// accept is the server's handshake.
func (s *session) accept(c *Case, offers []string, key string) error {
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accepts(key) + "\r\n"
	if d := c.Deflate; d != nil {
		value, err := s.chooseAnswer(d, offers)
		if err != nil {
			s.write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
			return err
		}
		answer += "Sec-WebSocket-Extensions: " + value + "\r\n"
	}
	return s.start(c, []byte(answer+"\r\n"))
}

// chooseAnswer is the answer to a client's offers: what the case wants, or as near as the client allows.
func (s *session) chooseAnswer(d *Deflate, headers []string) (string, error) {
	offers, err := extensions(headers)
	if err != nil {
		return "", err
	}
	if d.answer != "" {
		return d.answer, nil
	}
	for _, offer := range offers {
		answer := *d
		if answer.ownBits == anyBits {
			answer.ownBits = 0
		}
		if limit, err := offer.bits(serverBits); err != nil {
			return "", err
		} else if _, named := offer[serverBits]; named && (answer.ownBits == 0 || answer.ownBits > limit) {
			if answer.ownBits > limit {
				continue // the next offer may leave it open
			}
			answer.ownBits = limit
		}
		if _, ok := offer[serverReset]; ok {
			answer.ownReset = true
		}
		if _, ok := offer[clientBits]; !ok {
			answer.peerBits = 0
		}
		value := answer.value(true)
		agreed, err := extensions([]string{value})
		if err != nil {
			return "", err
		}
		return value, s.agree(agreed[0])
	}
	return "", ErrNoDeflate
}
