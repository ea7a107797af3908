// The codec, by itself.

package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// parsed is what a payload consists of: each packet as its type and data; "error" ends it.
func parsed(payload []byte) (all []string) {
	if checkText(payload) != nil {
		return []string{"error"}
	}
	var buf []byte
	for {
		kind, data, rest, grown, more, err := nextPacket(payload, buf)
		buf = grown
		if err != nil {
			if !errors.Is(err, errParse) {
				panic(err)
			}
			return append(all, "error")
		}
		all = append(all, string(kind)+string(data))
		if !more {
			return all
		}
		payload = rest
	}
}

func TestPayloadsAreTakenApart(t *testing.T) {
	for payload, want := range map[string]string{
		"4hello\x1ebAQIDBA==\x1e2": "4hello|b\x01\x02\x03\x04|2",
		"4":                        "4",
		"b":                        "b",
		"4\x1e4\x1eb\x1e3x":        "4|4|b|3x",
		"0{}":                      "0{}",
		"4€ ✓":                     "4€ ✓",
		"":                         "error",
		"\x1e":                     "error",
		"4a\x1e":                   "4a|error",
		"\x1e4a":                   "error",
		"7":                        "error",
		"4a\x1e9":                  "4a|error",
		"bAQ":                      "error",
		"bAQ=\x1e4a":               "error",
		"b====":                    "error",
		"b_-__":                    "error",
		"bAQ\n==":                  "error",
		"4\xff":                    "error",
		"B":                        "error",
	} {
		if got := strings.Join(parsed([]byte(payload)), "|"); got != want {
			t.Errorf("%q: %q, want %q", payload, got, want)
		}
	}
}

func TestWhatWaitsIsPutTogether(t *testing.T) {
	var payload []byte
	for _, o := range []outgoing{
		{bytes: []byte("4hello")}, {bytes: []byte{1, 2, 3, 4}, binary: true}, {shared: Prepare([]byte("m"), []byte{5})}, {bytes: []byte("2")}, {binary: true},
	} {
		payload = o.append(payload)
	}
	if want := "4hello\x1ebAQIDBA==\x1e4m\x1ebBQ==\x1e2\x1eb"; string(payload) != want {
		t.Errorf("%q, want %q", payload, want)
	}
}

// Whatever a client posts is taken apart or refused; and what was taken apart can be put together again.
func FuzzPayload(f *testing.F) {
	for _, payload := range []string{"4hello\x1ebAQIDBA==\x1e2", "4", "b", "", "\x1e", "bAQ", "4\xff", "1\x1e3probe\x1e5"} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		all := parsed(payload)
		if all[len(all)-1] == "error" {
			return
		}
		var again []byte
		for _, packet := range all {
			o := outgoing{bytes: []byte(packet)}
			if packet[0] == typeBinary {
				o = outgoing{bytes: []byte(packet[1:]), binary: true}
			}
			again = o.append(again)
		}
		if got := parsed(again); strings.Join(got, "\x1e") != strings.Join(all, "\x1e") {
			t.Errorf("%q became %q", all, got)
		}
	})
}

func FuzzPacket(f *testing.F) {
	for _, packet := range []string{"", "2probe", "4x", "b", "9", "\xff"} {
		f.Add([]byte(packet))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		kind, data, err := parseText(packet)
		if err != nil {
			if !errors.Is(err, errParse) || len(packet) > 0 && packet[0] >= '0' && packet[0] <= '6' {
				t.Errorf("%q: %v", packet, err)
			}
			return
		}
		if !bytes.Equal(append([]byte{kind}, data...), packet) {
			t.Errorf("%q became %q and %q", packet, kind, data)
		}
	})
}

// What is sent arrives as it was, whatever it is, and is what the standard encodings make of it.
func FuzzOutgoing(f *testing.F) {
	f.Add([]byte("text"), []byte{1, 2})
	f.Fuzz(func(t *testing.T, text, attachment []byte) {
		if !utf8.Valid(text) || bytes.IndexByte(text, separator) >= 0 {
			return // the caller's duty
		}
		payload := (&outgoing{shared: Prepare(text, attachment)}).append(nil)
		if want := "4" + string(text) + "\x1eb" + base64.StdEncoding.EncodeToString(attachment); string(payload) != want {
			t.Errorf("%q, want %q", payload, want)
		}
		if got := parsed(payload); len(got) != 2 || got[0] != "4"+string(text) || got[1] != "b"+string(attachment) {
			t.Errorf("%q", got)
		}
	})
}

func TestGzipIsFoundAmongTheCodings(t *testing.T) {
	for field, want := range map[string]bool{
		"gzip": true, "deflate, gzip": true, "GZIP ; q=0.2": true, "gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=x": false, "": false, "xgzip": false, "br": false,
	} {
		if acceptsGzip([]string{field}) != want {
			t.Errorf("%q: want %v", field, want)
		}
	}
}
