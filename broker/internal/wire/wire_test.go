package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var samples = []*hub.Publication{
	{Channel: "lobby", Payload: []byte("hello"), Epoch: "abcdefgh", Offset: 1, Time: time.UnixMicro(1_700_000_000_000_001)},
	{Channel: strings.Repeat("é", hub.MaxChannelName/2), Event: "price", Kind: hub.JSON, Payload: []byte(`{"a":1}`), Key: "k y",
		Session: "s1", User: "ann", Epoch: "00000000", Offset: 1<<53 - 1, Time: time.UnixMicro(0)},
	{Kind: hub.Binary, Payload: []byte{0, 1, 255, ' ', 0}, Epoch: "a", Offset: 0, Time: time.UnixMicro(-5)},
	{Payload: []byte{}, Epoch: "e", Offset: 7, Time: time.UnixMicro(9)},
}

func fields(p *hub.Publication) string {
	return fmt.Sprintf("%q %q %v %q %q %q %q %v %v", p.Channel, p.Event, p.Kind, p.Payload, p.Key, p.Session, p.User, p.Position(), p.Time.UnixMicro())
}

func TestAPublicationIsReadAsItWasWritten(t *testing.T) {
	for _, p := range samples {
		got, err := Decode(Append(nil, p))
		if err != nil {
			t.Errorf("%s: %v", fields(p), err)
		} else if fields(got) != fields(p) {
			t.Errorf("%s was read as %s", fields(p), fields(got))
		}
	}
}

func TestAPositionWrittenElsewhereAndTheContentMakeAPublication(t *testing.T) {
	p := samples[1]
	b := append([]byte("P00000000 9007199254740991 0 "), AppendContent(nil, p)...)
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Channel != "" {
		t.Errorf("the content names the channel %q", got.Channel)
	}
	got.Channel = p.Channel
	if fields(got) != fields(p) {
		t.Errorf("%s was read as %s", fields(p), fields(got))
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "begins with",
		"X":                             "begins with",
		"P":                             "position",
		"Pe 1 ":                         "position",
		"P 1 2 \x00\x00":                "position",
		"Pe -1 2 \x00\x00":              "offset",
		"Pe 9223372036854775808 2 \x00": "offset",
		"Pe 1 x \x00\x00":               "time",
		"Pe 1 2 ":                       "too early",
		"Pe 1 2 \x00":                   "too early",
		"Pe 1 2 \x00\x03":               "kind",
		"Pe 1 2 \x02":                   "length",
		"Pe 1 2 \x02\x05abc":            "too early",
		"Pe 1 2 \x02\xff\xff\xff\x7f":   "at most",
		"Pe 1 2 \x80\x01a\x00\x00":      "does not know",
		"Pe 1 2 \x02\x80\x02" + strings.Repeat("a", 256) + "\x00\x00": "at most 255",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestAFieldOfALaterVersionIsSkipped(t *testing.T) {
	if p, err := Decode([]byte("Pe 1 2 \x7f\x03new\x02\x01a\x00\x00text")); err != nil || p.Event != "a" || string(p.Payload) != "text" {
		t.Errorf("read as %+v: %v", p, err)
	}
	if m, err := DecodeMember([]byte("\x7f\x03new\x04\x02s1")); err != nil || m.Session != "s1" {
		t.Errorf("read as %+v: %v", m, err)
	}
}

func TestPresenceIsReadAsItWasWritten(t *testing.T) {
	for _, e := range []hub.PresenceEvent{
		{Joined: true, Member: hub.Member{Session: "s1", User: "ann", Info: []byte(`{"a":" "}`)}, Sessions: 12, Users: 3},
		{Member: hub.Member{Session: "s 2"}},
	} {
		got, err := DecodePresence(AppendPresence(nil, e))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(e) {
			t.Errorf("%+v was read as %+v: %v", e, got, err)
		}
	}
	for _, text := range []string{"", "M+", "M* 1 1 ", "M+ 1 ", "M+ a 1 ", "M+ 1 -1 ", "M+ 1 1 \x04\x09a", "M+ 1 1 \x04\x01a\x00", "M+ 1 1 \x80\x01a"} {
		if e, err := DecodePresence([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, e)
		}
	}
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	from, body, err := DecodeMessage(AppendMessage(nil, "node1", []byte{0, 1, 0}))
	if err != nil || from != "node1" || !bytes.Equal(body, []byte{0, 1, 0}) {
		t.Errorf("%q %q %v", from, body, err)
	}
	for _, text := range []string{"", "C", "P", "C\x07\x05a", "C\x81\x00\x00"} {
		if _, _, err := DecodeMessage([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range samples {
		f.Add(Append(nil, p))
	}
	f.Add(AppendPresence(nil, hub.PresenceEvent{Joined: true, Member: hub.Member{Session: "s1", User: "ann", Info: []byte("1")}, Sessions: 2, Users: 1}))
	f.Add(AppendMessage(nil, "node1", []byte("body")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Decode(b); err == nil {
			again, err := Decode(Append(nil, p))
			if err != nil || fields(again) != fields(p) {
				t.Errorf("%s was read back as %v: %v", fields(p), again, err)
			}
		}
		if e, err := DecodePresence(b); err == nil {
			if again, err := DecodePresence(AppendPresence(nil, e)); err != nil || fmt.Sprint(again) != fmt.Sprint(e) {
				t.Errorf("%+v was read back as %+v: %v", e, again, err)
			}
		}
		if from, body, err := DecodeMessage(b); err == nil {
			if again, same, err := DecodeMessage(AppendMessage(nil, from, body)); err != nil || again != from || !bytes.Equal(body, same) {
				t.Errorf("%q was read back as %q: %v", from, again, err)
			}
		}
	})
}

func BenchmarkAppendContent(b *testing.B) {
	b.ReportAllocs()
	buffer := make([]byte, 0, 1024)
	for b.Loop() {
		buffer = AppendContent(buffer[:0], samples[1])
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	encoded := Append(nil, samples[0])
	for b.Loop() {
		if _, err := Decode(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
