package nats

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// sample is a message of two publications.
func sample() []byte {
	at := place{Position: hub.Position{Epoch: "abcdefgh", Offset: 7}, time: time.UnixMicro(1_700_000_000_000_001)}
	b := appendMessage(nil, "anid", at)
	for i, text := range []string{"one", "two"} {
		p := &hub.Publication{Channel: "lobby", Payload: []byte(text)}
		b = appendSaid(b, hub.Position{Epoch: at.Epoch, Offset: 6 + uint64(i)}, at.time, contentOf(p))
	}
	return b
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	m, err := decodeMessage(9, sample())
	if err != nil {
		t.Fatal(err)
	}
	if m.id != "anid" || m.at.seq != 9 || m.at.Offset != 7 || m.at.Epoch != "abcdefgh" || m.at.time.UnixMicro() != 1_700_000_000_000_001 {
		t.Errorf("it is read as %+v", m)
	}
	all, err := m.publications("lobby")
	if err != nil || len(all) != 2 || string(all[0].Payload) != "one" || all[0].Offset != 6 || string(all[1].Payload) != "two" || all[1].Channel != "lobby" {
		t.Errorf("its publications are %+v, %v", all, err)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	whole := sample()
	for n := range whole {
		if m, err := decodeMessage(1, whole[:n]); err == nil && len(m.said) == 2 {
			t.Errorf("the first %d of %d bytes of a message are read as %+v", n, len(whole), m)
		}
	}
	long := appendMessage(nil, string(bytes.Repeat([]byte("x"), maxID+1)), place{Position: hub.Position{Epoch: "e", Offset: 1}})
	early := appendSaid(appendMessage(nil, "", place{Position: hub.Position{Epoch: "e"}}), hub.Position{Epoch: "e"}, time.Time{}, nil)
	for what, b := range map[string][]byte{"an id that is too long": long, "more publications than offsets": early, "another mark": []byte("Xabc")} {
		if m, err := decodeMessage(1, b); err == nil {
			t.Errorf("%s: read as %+v", what, m)
		}
	}
	gap := appendSaid(appendMessage(nil, "", place{Position: hub.Position{Epoch: "e", Offset: 2}}), hub.Position{Epoch: "e", Offset: 1}, time.Time{},
		contentOf(&hub.Publication{Payload: []byte("x")}))
	if m, err := decodeMessage(1, gap); err != nil {
		t.Error(err)
	} else if all, err := m.publications("lobby"); err == nil {
		t.Errorf("a publication at another offset than is due is read as %+v", all)
	}
	for _, text := range []string{"", "K", "K\x05ab", "K\x00", "K\x0012", "K\x00x ", "K\x001 e", "K\x001 e 1 2 more", "X\x001 "} {
		if r, err := decodeRecord([]byte(text)); err == nil {
			t.Errorf("the record %q is read as %+v", text, r)
		}
	}
	for _, text := range []string{"", "J", "J\x05ab", "X\x00"} {
		if _, _, m, err := decodeMember([]byte(text)); err == nil {
			t.Errorf("the member %q is read as %+v", text, m)
		}
	}
	for _, text := range []string{"", "N", "N\x05ab", "X\x00"} {
		if n, _, err := decodeNode("p.n.a", []byte(text)); err == nil {
			t.Errorf("the node %q is read as %+v", text, n)
		}
	}
}

var records = []record{
	{id: "abc", until: time.UnixMicro(5)},
	{until: time.UnixMicro(-5)},
	{id: "abc", until: time.UnixMicro(1_700_000_000_000_001), done: true, at: hub.Position{Epoch: "e", Offset: 3}, when: time.UnixMicro(4)},
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	for _, r := range records {
		if got, err := decodeRecord(r.encode()); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v is read as %+v, %v", r, got, err)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(sample())
	f.Add(appendMessage(nil, "", place{Position: hub.Position{Epoch: "e"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(1, b)
		if err != nil {
			return
		}
		all, err := m.publications("lobby")
		if err != nil {
			return
		}
		for i, p := range all {
			if p.Epoch != m.at.Epoch || p.Offset != m.at.Offset-uint64(len(all)-1-i) || p.Channel != "lobby" {
				t.Errorf("publication %d of %d up to %v is at %v", i, len(all), m.at.Position, p.Position())
			}
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range records {
		f.Add(r.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again, err := decodeRecord(r.encode()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q is read as %+v, and that as %+v, %v", b, r, again, err)
		}
	})
}

func FuzzDecodeMember(f *testing.F) {
	f.Add(encodeMember(joinMark, "a.run", hub.Member{Session: "s", User: "u", Info: []byte(`{"a":1}`)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		here, run, m, err := decodeMember(b)
		if err != nil {
			return
		}
		mark := byte(leaveMark)
		if here {
			mark = joinMark
		}
		if here2, run2, m2, err := decodeMember(encodeMember(mark, run, m)); err != nil || here2 != here || run2 != run || !reflect.DeepEqual(m2, m) {
			t.Errorf("%q is read as %v %q %+v, and that as %v %q %+v, %v", b, here, run, m, here2, run2, m2, err)
		}
	})
}

func FuzzDecodeNode(f *testing.F) {
	f.Add("p.n.a", []byte("N\x05a.runinfo"))
	f.Add("", []byte("G\x00"))
	f.Fuzz(func(t *testing.T, subject string, b []byte) {
		n, lives, err := decodeNode(subject, b)
		if err == nil && (lives != (b[0] == nodeMark) || len(n.run)+len(n.Info)+2 != len(b)) {
			t.Errorf("%q is read as %+v, %v", b, n, lives)
		}
	})
}
