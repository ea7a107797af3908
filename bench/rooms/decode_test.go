package rooms

import (
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/bench/frames"
)

// cutAnywhere feeds text to a decoder in two pieces, for every place where it can be cut, and returns what each cut made of it.
func cutAnywhere(t *testing.T, make func() decoder, text string, check func(cut int, heard []string)) {
	t.Helper()
	for cut := range len(text) + 1 {
		var heard []string
		hear := func(m message) error {
			heard = append(heard, string(m.text))
			return nil
		}
		d := make()
		used, err := d.decode([]byte(text[:cut]), hear)
		if err == nil {
			_, err = d.decode([]byte(text[used:]), hear)
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		check(cut, heard)
	}
}

func TestFramesMayBeCutAnywhere(t *testing.T) {
	long := strings.Repeat("x", 200)
	var text []byte
	for _, payload := range []string{"one", long, "three"} {
		text = frames.Server(text, frames.Header{Fin: true, Opcode: frames.OpText}, []byte(payload))
	}
	cutAnywhere(t, func() decoder { return sockets{} }, string(text), func(cut int, heard []string) {
		if want := []string{"one", long, "three"}; !slices.Equal(heard, want) {
			t.Fatalf("cut at %d: heard %q", cut, heard)
		}
	})
}

func TestChunksOfEventsMayBeCutAnywhere(t *testing.T) {
	const want = "id: 7\ndata: hello\n\n"
	for name, body := range map[string]string{
		"as chunks":    "c\r\nid: 7\ndata: \r\n" + "6\r\nhello\n\r\n" + "1\r\n\n\r\n",
		"of one event": "13\r\n" + want + "\r\n",
	} {
		cutAnywhere(t, func() decoder { return &events{chunked: true} }, body, func(cut int, heard []string) {
			if got := strings.Join(heard, ""); got != want {
				t.Fatalf("%s, cut at %d: heard %q", name, cut, got)
			}
		})
	}
	cutAnywhere(t, func() decoder { return &events{} }, want, func(cut int, heard []string) {
		if got := strings.Join(heard, ""); got != want {
			t.Fatalf("unchunked, cut at %d: heard %q", cut, got)
		}
	})
	if _, err := (&events{chunked: true}).decode([]byte("0\r\n\r\n"), nil); err == nil {
		t.Error("the end of a stream was not noticed")
	}
}

func TestAnswersMayBeCutAnywhere(t *testing.T) {
	const text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + "HTTP/1.1 204 No Content\r\n\r\n" + "HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nabc"
	cutAnywhere(t, func() decoder { return answers{} }, text, func(cut int, heard []string) {
		if want := []string{"{}", "", "abc"}; !slices.Equal(heard, want) {
			t.Fatalf("cut at %d: heard %q", cut, heard)
		}
	})
}

func TestWhatIsNoSuccessIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		decoder decoder
		text    string
	}{
		"a refusal":               {answers{}, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
		"no length":               {answers{}, "HTTP/1.1 200 OK\r\n\r\n"},
		"a length that is none":   {answers{}, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
		"no HTTP":                 {answers{}, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n"},
		"a chunk without size":    {&events{chunked: true}, "hello\r\n"},
		"a Close frame":           {sockets{}, "\x88\x02\x03\xf0"},
		"an empty Close frame":    {sockets{}, "\x88\x00"},
		"the start of a fragment": {sockets{}, "\x01\x01a"},
	} {
		if _, err := test.decoder.decode([]byte(test.text), func(message) error { return nil }); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestSheetsAreReadBackFromWhateverIsAroundThem(t *testing.T) {
	if got := len(sheet(7)); got != PayloadSize {
		t.Fatalf("a sheet is %d bytes, want %d", got, PayloadSize)
	}
	text := []byte(`{"push":{"data":` + string(sheet(1234567)) + "}}\n" + `{"push":{"offset":9,"data":` + string(sheet(1234568)) + "}}")
	var r reader
	for _, want := range []int{1234567, 1234568} {
		n, rest, found, err := r.next(text)
		if n != want || !found || err != nil {
			t.Fatalf("read %d, %v, %v, want %d", n, found, err, want)
		}
		text = rest
	}
	if _, _, found, err := r.next(text); found || err != nil {
		t.Errorf("found %v, %v in %q", found, err, text)
	}
	for _, altered := range []string{
		strings.Replace(string(sheet(1)), "abc", "abd", 1),
		strings.Replace(string(sheet(1)), "01", "0x", 1),
		string(sheet(1)[:PayloadSize-1]),
	} {
		if _, _, _, err := r.next([]byte(altered)); err == nil {
			t.Errorf("%q was accepted", altered)
		}
	}
}

func TestPointsAndPeersHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Points() {
		if seen[p.Name] || !strings.HasPrefix(p.Name, "rooms-") && !strings.HasPrefix(p.Name, "cluster-") {
			t.Errorf("the name %q of %q is taken, or not of a room", p.Name, p.Title())
		}
		seen[p.Name] = true
	}
	for _, p := range All() {
		if seen[p.Name] || p.Does(Publish) && p.Protocol.Post == nil || p.Protocol.Publish == nil && p.Protocol.Post == nil {
			t.Errorf("the name %q is taken, or the peer cannot do what it says", p.Name)
		}
		seen[p.Name] = true
	}
}
