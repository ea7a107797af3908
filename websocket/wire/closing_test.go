// The closing handshake: its machine, its frame and its reasons.

package wire_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ringdown/ringdown/websocket/wire"
)

// in returns a machine that stands in state.
func in(state wire.State) wire.Closing {
	var c wire.Closing
	switch state {
	case wire.StateCloseSent:
		c.Send()
	case wire.StateCloseReceived:
		c.Receive()
	case wire.StateClosed:
		c.Drop()
	}
	return c
}

func TestClosingWalksEveryStateAndEvent(t *testing.T) {
	const (
		open     = wire.StateOpen
		sent     = wire.StateCloseSent
		received = wire.StateCloseReceived
		closed   = wire.StateClosed
	)
	send := func(c *wire.Closing) bool { return c.Send() }
	receive := func(c *wire.Closing) bool { return c.Receive() }
	drop := func(c *wire.Closing) bool { c.Drop(); return false }
	tests := []struct {
		from   wire.State
		event  string
		do     func(*wire.Closing) bool
		to     wire.State
		answer bool // Send: it may go; Receive: an answer is owed
	}{
		{open, "Send", send, sent, true},
		{open, "Receive", receive, received, true},
		{open, "Drop", drop, closed, false},
		{sent, "Send", send, sent, false},
		{sent, "Receive", receive, closed, false},
		{sent, "Drop", drop, closed, false},
		{received, "Send", send, closed, true},
		{received, "Receive", receive, received, false},
		{received, "Drop", drop, closed, false},
		{closed, "Send", send, closed, false},
		{closed, "Receive", receive, closed, false},
		{closed, "Drop", drop, closed, false},
	}
	for _, tt := range tests {
		t.Run(tt.from.String()+"/"+tt.event, func(t *testing.T) {
			c := in(tt.from)
			if c.State() != tt.from {
				t.Fatalf("the way there ends in %q", c.State())
			}
			if c.MaySend() != (tt.from == open) {
				t.Errorf("MaySend is %v", c.MaySend())
			}
			if got := tt.do(&c); got != tt.answer {
				t.Errorf("the answer is %v, want %v", got, tt.answer)
			}
			if c.State() != tt.to {
				t.Errorf("ends in %q, want %q", c.State(), tt.to)
			}
		})
	}
}

func TestAppendClose(t *testing.T) {
	long := strings.Repeat("é", 62) // 124 bytes
	tests := []struct {
		name   string
		code   wire.StatusCode
		reason string
		want   string // the payload
		err    string
	}{
		{"code and reason", 1000, "bye", "\x03\xe8bye", ""},
		{"code alone", 1001, "", "\x03\xe9", ""},
		{"neither", wire.StatusNoStatus, "", "", ""},
		{"reason without a code", wire.StatusNoStatus, "why", "", "needs a code"},
		{"longest reason", 4999, long[:122] + "x", "\x13\x87" + long[:122] + "x", ""},
		{"reason cut at a character", 3000, long, "\x0b\xb8" + long[:122], ""},
		{"reason that is not UTF-8", 1011, "a\xffb", "\x03\xf3a\uFFFDb", ""},
		{"reserved code", 1004, "", "", "close code 1004 may not be sent"},
		{"abnormal closure", wire.StatusAbnormalClosure, "", "", "close code 1006 may not be sent"},
		{"TLS", wire.StatusTLSHandshake, "", "", "close code 1015 may not be sent"},
		{"zero", 0, "", "", "close code 0 may not be sent"},
		{"past 16 bits", 1000 + 1<<16, "", "", "may not be sent"},
	}
	for _, tt := range tests {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			t.Run(tt.name+"/"+role.String(), func(t *testing.T) {
				b, err := wire.AppendClose([]byte("before"), role, tt.code, tt.reason)
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) || string(b) != "before" {
						t.Errorf("got %q, error %v; want the bytes as they were and %q", b, err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				h, n, err := wire.ParseHeader(b[len("before"):])
				if err != nil || !h.Fin || h.Opcode != wire.Close || h.Masked != (role == wire.Client) {
					t.Fatalf("header %+v, error %v", h, err)
				}
				payload := b[len("before")+n:]
				if h.Masked {
					wire.Mask(payload, h.Key)
				}
				if string(payload) != tt.want {
					t.Errorf("payload %q, want %q", payload, tt.want)
				}
			})
		}
	}
}

// What one side may send, the other takes, and nothing else: RFC 6455 §7.4.1 and §7.4.2.
func TestSendableCodes(t *testing.T) {
	ranges := [][2]wire.StatusCode{{1000, 1003}, {1007, 1014}, {3000, 4999}}
	for code := wire.StatusCode(-1); code <= 70_000; code++ {
		want := false
		for _, r := range ranges {
			want = want || code >= r[0] && code <= r[1]
		}
		if code.Sendable() != want {
			t.Errorf("Sendable(%d) is %v", int(code), !want)
		}
	}
}

func TestCutReason(t *testing.T) {
	euro := strings.Repeat("€", 41) // 123 bytes
	tests := []struct{ name, reason, want string }{
		{"empty", "", ""},
		{"short", "bye", "bye"},
		{"as long as it may be", strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{"one byte too long", strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{"full characters", euro, euro},
		{"one character too many", euro + "€", euro},
		{"one byte of the last fits", "x" + euro, "x" + euro[:120]},
		{"two bytes of the last fit", "xx" + euro, "xx" + euro[:120]},
		{"four bytes", strings.Repeat("😀", 31), strings.Repeat("😀", 30)},
		{"bad bytes grow before the cut", strings.Repeat("\xff", 124), strings.Repeat("\uFFFD", 41)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := wire.CutReason(tt.reason)
			if got != tt.want || !utf8.ValidString(got) || len(got) > 123 {
				t.Errorf("got %q (%d bytes), want %q", got, len(got), tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		wire.StatusGoingAway.String():          "1001 going away",
		wire.StatusCode(4001).String():         "4001",
		wire.Ping.String():                     "ping",
		wire.Opcode(11).String():               "opcode 11",
		wire.StateCloseReceived.String():       "close received",
		wire.ClosedIn.String():                 "close",
		(&wire.Error{1009, "too big"}).Error(): "too big (close code 1009)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
