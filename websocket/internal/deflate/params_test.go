package deflate_test

import (
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

// params splits "a; b=1" as the header's parser would.
func params(s string) []deflate.Param {
	var list []deflate.Param
	for part := range strings.SplitSeq(s, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, has := strings.Cut(part, "=")
		list = append(list, deflate.Param{Name: name, Value: value, HasValue: has})
	}
	return list
}

func TestServerAnswersAnOffer(t *testing.T) {
	const declined = ""
	tests := []struct {
		offer              string
		noTakeover, taking string // the parameters of the answer in each mode
	}{
		// Nothing said: the client's 32 KiB are too much to keep, so its context has to go.
		{"", "server_no_context_takeover; client_no_context_takeover", "client_no_context_takeover"},
		// §7.1.1.1: server_no_context_takeover is granted.
		{"server_no_context_takeover",
			"server_no_context_takeover; client_no_context_takeover",
			"server_no_context_takeover; client_no_context_takeover"},
		// §7.1.1.2: client_no_context_takeover is a hint, taken up.
		{"client_no_context_takeover",
			"server_no_context_takeover; client_no_context_takeover",
			"client_no_context_takeover"},
		{"client_no_context_takeover; client_max_window_bits=9",
			"server_no_context_takeover; client_no_context_takeover",
			"client_no_context_takeover"},
		// §7.1.2.1: server_max_window_bits is repeated, even the largest.
		{"server_max_window_bits=15; client_max_window_bits",
			"server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
			"server_max_window_bits=15; client_max_window_bits=12"},
		{"server_max_window_bits=8; client_max_window_bits",
			"server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8",
			"server_max_window_bits=8; client_max_window_bits=12"},
		{"server_max_window_bits=10",
			"server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
			"client_no_context_takeover; server_max_window_bits=10"},
		// §7.1.2.2: client_max_window_bits with and without a value; the answer is never larger than the hint.
		{"client_max_window_bits",
			"server_no_context_takeover; client_no_context_takeover", "client_max_window_bits=12"},
		{"client_max_window_bits=15",
			"server_no_context_takeover; client_no_context_takeover", "client_max_window_bits=12"},
		{"client_max_window_bits=12",
			"server_no_context_takeover; client_no_context_takeover", "client_max_window_bits=12"},
		{"client_max_window_bits=8",
			"server_no_context_takeover; client_no_context_takeover", "client_max_window_bits=8"},
		{"server_no_context_takeover; client_max_window_bits=11",
			"server_no_context_takeover; client_no_context_takeover",
			"server_no_context_takeover; client_max_window_bits=11"},

		// §7.1: an offer is declined that has an unknown parameter, …
		{"window", declined, declined},
		{"client_max_window_bits; x=1", declined, declined},
		{"Server_No_Context_Takeover", declined, declined},
		// … a repeated one, …
		{"server_no_context_takeover; server_no_context_takeover", declined, declined},
		{"client_no_context_takeover; client_no_context_takeover", declined, declined},
		{"server_max_window_bits=10; server_max_window_bits=10", declined, declined},
		{"client_max_window_bits; client_max_window_bits=10", declined, declined},
		// … or an invalid value.
		{"server_no_context_takeover=", declined, declined},
		{"server_no_context_takeover=1", declined, declined},
		{"client_no_context_takeover=true", declined, declined},
		{"server_max_window_bits", declined, declined},
		{"server_max_window_bits=", declined, declined},
		{"server_max_window_bits=7", declined, declined},
		{"server_max_window_bits=16", declined, declined},
		{"server_max_window_bits=010", declined, declined},
		{"server_max_window_bits=+9", declined, declined},
		{"server_max_window_bits=0x9", declined, declined},
		{"client_max_window_bits=", declined, declined},
		{"client_max_window_bits=7", declined, declined},
		{"client_max_window_bits=16", declined, declined},
		{"client_max_window_bits=09", declined, declined},
		{"client_max_window_bits=99999999999999999999", declined, declined},
	}
	check := func(offer string, mode deflate.Mode, want string) {
		p, ok := deflate.Answer(params(offer), mode)
		if !ok {
			if want != declined {
				t.Errorf("mode %d: offer %q was declined, want %q", mode, offer, want)
			}
			return
		}
		if got := strings.TrimPrefix(p.String(), "permessage-deflate; "); got != want {
			t.Errorf("mode %d: offer %q got %q, want %q", mode, offer, got, want)
		}
	}
	for _, tt := range tests {
		check(tt.offer, deflate.NoTakeover, tt.noTakeover)
		check(tt.offer, deflate.Takeover, tt.taking)
		check(tt.offer, deflate.Off, declined)
	}
}

func TestAnswerWithoutParametersIsTheBareName(t *testing.T) {
	p := deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	if got := p.String(); got != "permessage-deflate" {
		t.Errorf("got %q", got)
	}
}

func TestClientAcceptsAnswer(t *testing.T) {
	full := deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	with := func(change func(*deflate.Params)) deflate.Params { p := full; change(&p); return p }
	tests := []struct {
		answer string
		mode   deflate.Mode
		want   deflate.Params
	}{
		{"", deflate.Takeover, full},
		{"server_no_context_takeover", deflate.Takeover,
			with(func(p *deflate.Params) { p.ServerNoContextTakeover = true })},
		{"client_no_context_takeover", deflate.Takeover,
			with(func(p *deflate.Params) { p.ClientNoContextTakeover = true })},
		{"client_max_window_bits=9", deflate.Takeover,
			with(func(p *deflate.Params) { p.ClientMaxWindowBits = 9 })},
		{"server_max_window_bits=12", deflate.Takeover,
			with(func(p *deflate.Params) { p.ServerMaxWindowBits = 12 })},
		{"server_max_window_bits=8; client_max_window_bits=8", deflate.Takeover,
			with(func(p *deflate.Params) { p.ServerMaxWindowBits, p.ClientMaxWindowBits = 8, 8 })},
		// An answer to the second offer: a server may name its window unasked.
		{"server_max_window_bits=14", deflate.Takeover,
			with(func(p *deflate.Params) { p.ServerMaxWindowBits = 14 })},
		// In NoTakeover mode a client compresses without context whether or not the server takes up the hint.
		{"server_no_context_takeover", deflate.NoTakeover,
			with(func(p *deflate.Params) { p.ServerNoContextTakeover, p.ClientNoContextTakeover = true, true })},
		{"client_no_context_takeover; server_no_context_takeover; client_max_window_bits=15", deflate.NoTakeover,
			with(func(p *deflate.Params) { p.ServerNoContextTakeover, p.ClientNoContextTakeover = true, true })},
	}
	for _, tt := range tests {
		got, err := deflate.Accepted(params(tt.answer), tt.mode)
		if err != nil {
			t.Errorf("mode %d: answer %q: %v", tt.mode, tt.answer, err)
			continue
		}
		if got.ServerNoContextTakeover != tt.want.ServerNoContextTakeover ||
			got.ClientNoContextTakeover != tt.want.ClientNoContextTakeover ||
			got.ServerMaxWindowBits != tt.want.ServerMaxWindowBits ||
			got.ClientMaxWindowBits != tt.want.ClientMaxWindowBits {
			t.Errorf("mode %d: answer %q: got %+v, want %+v", tt.mode, tt.answer, got, tt.want)
		}
	}
}

func TestClientRefusesAnswer(t *testing.T) {
	tests := []struct {
		answer string
		mode   deflate.Mode
		says   string
	}{
		{"", deflate.Off, "not offered"},
		{"", deflate.NoTakeover, "without server_no_context_takeover"},
		{"client_no_context_takeover", deflate.NoTakeover, "without server_no_context_takeover"},
		{"x", deflate.Takeover, `"x"`},
		{"server_no_context_takeover=1", deflate.Takeover, `no value, not "1"`},
		{"client_no_context_takeover=", deflate.Takeover, `no value, not ""`},
		{"server_no_context_takeover; server_no_context_takeover", deflate.Takeover, "twice"},
		{"client_max_window_bits=9; client_max_window_bits=9", deflate.Takeover, "twice"},
		// Only offers may name it without a value.
		{"client_max_window_bits", deflate.Takeover, "needs a value"},
		{"server_max_window_bits", deflate.Takeover, "needs a value"},
		{"server_max_window_bits=7", deflate.Takeover, `"7"`},
		{"server_max_window_bits=16", deflate.Takeover, `"16"`},
		{"client_max_window_bits=012", deflate.Takeover, `"012"`},
	}
	for _, tt := range tests {
		_, err := deflate.Accepted(params(tt.answer), tt.mode)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("mode %d: answer %q: got error %v, want one that says %s", tt.mode, tt.answer, err, tt.says)
		}
	}
}

// A client and a server of ours agree in every pair of modes, and both understand the same by the answer.
func TestOffersMeetAnswers(t *testing.T) {
	if got := deflate.Offers(deflate.Off); got != "" {
		t.Errorf("Off offers %q", got)
	}
	for _, client := range []deflate.Mode{deflate.NoTakeover, deflate.Takeover} {
		for offer := range strings.SplitSeq(deflate.Offers(client), ", ") {
			for _, server := range []deflate.Mode{deflate.NoTakeover, deflate.Takeover} {
				offered, isOurs := strings.CutPrefix(offer, "permessage-deflate; ")
				if !isOurs {
					t.Fatalf("offer %q doesn't name the extension", offer)
				}
				answer, ok := deflate.Answer(params(offered), server)
				if !ok {
					t.Fatalf("modes %d, %d: offer %q was declined", client, server, offer)
				}
				got, err := deflate.Accepted(params(strings.TrimPrefix(answer.String(), "permessage-deflate")), client)
				if err != nil {
					t.Fatalf("modes %d, %d: %v", client, server, err)
				}
				if got.String() != answer.String() {
					t.Errorf("modes %d, %d: the server answered %q, the client understood %q", client, server, answer, got)
				}
			}
		}
	}
}
