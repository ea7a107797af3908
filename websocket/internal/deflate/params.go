package deflate

// The parameters of the extension and their negotiation: RFC 7692, sections 5 and 7.1.

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Name is the extension's token in Sec-WebSocket-Extensions.
const Name = "permessage-deflate"

// The names of the four parameters, RFC 7692 §7.1.
const (
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

const (
	minWindowBits = 8
	maxWindowBits = 15 // DEFLATE's own limit and what holds when a window isn't named

	// leanWindowBits is the window asked of a peer whose context we must keep: 4 KiB a connection instead of 32.
	leanWindowBits = 12
)

// Mode says how much compression one side is willing to do.
type Mode uint8

const (
	// Off neither offers nor accepts the extension.
	Off Mode = iota
	// NoTakeover compresses every message on its own, in both directions: an idle connection costs nothing.
	NoTakeover
	// Takeover lets messages refer to earlier ones, in both directions where the peer allows it.
	Takeover
)

// Param is one parameter as it stood in the header, its value unquoted. HasValue tells "x" from "x=".
type Param struct {
	Name, Value string
	HasValue    bool
}

// Params are the agreed parameters of one connection. They come from [Answer] or [Accepted].
type Params struct {
	// The server (the client) compresses every message without reference to earlier ones.
	ServerNoContextTakeover, ClientNoContextTakeover bool
	// The server (the client) refers back at most 1<<bits bytes: 8 to 15; 15 when the answer doesn't name it.
	ServerMaxWindowBits, ClientMaxWindowBits int

	// An offer's server_max_window_bits is named in the answer even if it is 15: §7.1.2.1.
	serverBitsNamed bool
}

// String is the Sec-WebSocket-Extensions value of the server's answer.
func (p Params) String() string {
	var s strings.Builder
	s.WriteString(Name)
	if p.ServerNoContextTakeover {
		s.WriteString("; " + serverNoContextTakeover)
	}
	if p.ClientNoContextTakeover {
		s.WriteString("; " + clientNoContextTakeover)
	}
	if p.serverBitsNamed || p.ServerMaxWindowBits < maxWindowBits {
		s.WriteString("; " + serverMaxWindowBits + "=" + strconv.Itoa(p.ServerMaxWindowBits))
	}
	if p.ClientMaxWindowBits < maxWindowBits {
		s.WriteString("; " + clientMaxWindowBits + "=" + strconv.Itoa(p.ClientMaxWindowBits))
	}
	return s.String()
}

// Answer is the server's decision about one offer. It is false when the offer must be declined, because a parameter is
// unknown, repeated or invalid (RFC 7692 §7.1) or because mode is Off; the next offer of the client may still do.
func Answer(offer []Param, mode Mode) (Params, bool) {
	if mode == Off {
		return Params{}, false
	}
	o, err := parse(offer, false)
	if err != nil {
		return Params{}, false
	}
	p := Params{
		ServerNoContextTakeover: o.serverNoTakeover || mode == NoTakeover,
		ClientNoContextTakeover: o.clientNoTakeover || mode == NoTakeover,
		ServerMaxWindowBits:     maxWindowBits,
		ClientMaxWindowBits:     maxWindowBits,
	}
	if o.serverBits != 0 {
		p.ServerMaxWindowBits, p.serverBitsNamed = o.serverBits, true
	}
	switch {
	case p.ClientNoContextTakeover:
		// The client's window ends with its message, which is inflated with a pooled 32 KiB window: no need to narrow it.
	case o.clientBits != 0:
		p.ClientMaxWindowBits = min(o.clientBits, leanWindowBits)
	default:
		// The answer may name client_max_window_bits only if the offer did (§7.1.2.2), and 32 KiB is too much to keep.
		p.ClientNoContextTakeover = true
	}
	return p, true
}

// Offers is the Sec-WebSocket-Extensions value of a client: its offers, the best one first; "" when mode is Off.
func Offers(mode Mode) string {
	switch mode {
	case NoTakeover:
		return Name + "; " + serverNoContextTakeover + "; " + clientNoContextTakeover + "; " + clientMaxWindowBits
	case Takeover:
		// A server that cannot limit its window declines the first offer, and the second lets it have 32 KiB.
		return Name + "; " + serverMaxWindowBits + "=" + strconv.Itoa(leanWindowBits) + "; " + clientMaxWindowBits +
			", " + Name + "; " + clientMaxWindowBits
	default:
		return ""
	}
}

// Accepted checks the server's answer to Offers(mode) and returns what both sides now agree on. After an error the
// client must fail the connection (RFC 7692 §7.1, RFC 6455 §9.1).
func Accepted(answer []Param, mode Mode) (Params, error) {
	if mode == Off {
		return Params{}, errors.New(Name + " was answered but not offered")
	}
	a, err := parse(answer, true)
	if err != nil {
		return Params{}, err
	}
	if mode == NoTakeover && !a.serverNoTakeover {
		// §7.1.1.1: a server that cannot do without its context declines; it may not accept and pass over the demand.
		return Params{}, errors.New(Name + " was answered without " + serverNoContextTakeover + ", which every offer demanded")
	}
	p := Params{
		ServerNoContextTakeover: a.serverNoTakeover,
		ClientNoContextTakeover: a.clientNoTakeover || mode == NoTakeover,
		ServerMaxWindowBits:     maxWindowBits,
		ClientMaxWindowBits:     maxWindowBits,
	}
	if a.serverBits != 0 {
		// Larger than our first offer's is an answer to the second: a server may limit itself unasked, §7.1.2.1.
		p.ServerMaxWindowBits, p.serverBitsNamed = a.serverBits, true
	}
	if a.clientBits != 0 {
		p.ClientMaxWindowBits = a.clientBits
	}
	return p, nil
}

// named is what one offer or one answer says; window bits are 0 when it says nothing of them.
type named struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int
}

// parse checks each parameter for itself: known, not repeated, its value of the right form.
func parse(params []Param, isAnswer bool) (named, error) {
	var n named
	for _, p := range params {
		var twice bool
		var err error
		switch p.Name {
		case serverNoContextTakeover:
			twice, n.serverNoTakeover = n.serverNoTakeover, true
			err = noValue(p)
		case clientNoContextTakeover:
			twice, n.clientNoTakeover = n.clientNoTakeover, true
			err = noValue(p)
		case serverMaxWindowBits:
			twice = n.serverBits != 0
			n.serverBits, err = windowBits(p)
		case clientMaxWindowBits:
			twice = n.clientBits != 0
			if !p.HasValue && !isAnswer {
				n.clientBits = maxWindowBits // "tell me": only in an offer, §7.1.2.2
			} else {
				n.clientBits, err = windowBits(p)
			}
		default:
			err = fmt.Errorf("%s has no parameter %q", Name, p.Name)
		}
		if err != nil {
			return named{}, err
		}
		if twice {
			return named{}, fmt.Errorf("%s names %s twice", Name, p.Name)
		}
	}
	return n, nil
}

func noValue(p Param) error {
	if p.HasValue {
		return fmt.Errorf("%s: %s takes no value, not %q", Name, p.Name, p.Value)
	}
	return nil
}

// windowBits reads a decimal integer of 8 to 15 without leading zeros.
func windowBits(p Param) (int, error) {
	if !p.HasValue {
		return 0, fmt.Errorf("%s: %s needs a value from 8 to 15", Name, p.Name)
	}
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		if p.Value == strconv.Itoa(bits) {
			return bits, nil
		}
	}
	return 0, fmt.Errorf("%s: %s must be from 8 to 15, not %q", Name, p.Name, p.Value)
}
