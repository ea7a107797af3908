package proxy

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// v2 is a header of version 2.
func v2(command, transport byte, body ...byte) string {
	h := append([]byte(nil), signatureV2...)
	h = append(h, command, transport)
	h = binary.BigEndian.AppendUint16(h, uint16(len(body)))
	return string(append(h, body...))
}

var (
	source4 = []byte{192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0x1f, 0x90}
	source6 = append(append(append(make([]byte, 0, 36), 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), make([]byte, 16)...), 0x12, 0x34, 0x1f, 0x90)
)

// summed is a header with its checksum.
func summed(wrong byte) string {
	h := []byte(v2(commandProxy, overTCP4, append(append([]byte(nil), source4...), typeCRC32C, 0, 4, 0, 0, 0, 0)...))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	h[len(h)-1] ^= wrong
	return string(h)
}

func TestHeadersAreReadAndNothingBehindThem(t *testing.T) {
	with := func(body []byte, more ...byte) []byte { return append(append([]byte(nil), body...), more...) }
	for _, c := range []struct {
		name, header string
		want         string // the source, "local", "unknown", or words of the error
	}{
		{"v1", "PROXY TCP4 192.0.2.1 10.0.0.1 4660 8080\r\n", "192.0.2.1:4660"},
		{"v1 over IPv6", "PROXY TCP6 2001:db8::1 ::1 4660 8080\r\n", "[2001:db8::1]:4660"},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "unknown"},
		{"v1 unknown with more", "PROXY UNKNOWN whatever it is\r\n", "unknown"},
		{"v2", v2(commandProxy, overTCP4, source4...), "192.0.2.1:4660"},
		{"v2 over IPv6", v2(commandProxy, overTCP6, source6...), "[2001:db8::1]:4660"},
		{"v2 with extensions", v2(commandProxy, overTCP4, with(source4, 4, 0, 2, 'x', 'y', 0x30, 0, 0)...), "192.0.2.1:4660"},
		{"v2 with checksum", summed(0), "192.0.2.1:4660"},
		{"v2 local", v2(commandLocal, 0), "local"},
		{"v2 local with addresses", v2(commandLocal, overTCP4, source4...), "local"},
		{"v2 of a Unix socket", v2(commandProxy, 0x31, make([]byte, 216)...), "unknown"},
		{"v2 unspecified", v2(commandProxy, 0), "unknown"},

		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "does not begin with a header"},
		{"POST", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "does not begin with a header"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00", "does not begin with a header"},
		{"almost v2", "\r\n\r\n\x00\r\nQUIT\r\x21\x11\x00\x00", "does not begin with a header"},
		{"nothing", "", "EOF"},
		{"v1 cut short", "PROXY TCP4 192.0.2.1", "unexpected EOF"},
		{"v2 cut short", v2(commandProxy, overTCP4, source4...)[:20], "unexpected EOF"},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 200), "longer than 107"},
		{"v1 in lower case", "PROXY tcp4 192.0.2.1 10.0.0.1 1 2\r\n", "malformed"},
		{"v1 with too few", "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n", "malformed"},
		{"v1 with two spaces", "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n", "malformed"},
		{"v1 of the wrong family", "PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n", "none of TCP4"},
		{"v1 with a zone", "PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "none of TCP6"},
		{"v1 with a large port", "PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n", "has the port"},
		{"v1 with an odd port", "PROXY TCP4 192.0.2.1 10.0.0.1 1 02\r\n", "has the port"},
		{"v2 of a version to come", v2(0x31, overTCP4, source4...), "version and command 0x31"},
		{"v2 with an unknown command", v2(0x22, overTCP4, source4...), "version and command 0x22"},
		{"v2 with too few addresses", v2(commandProxy, overTCP6, source4...), "its transport takes 36"},
		{"v2 announcing much", v2(commandProxy, overTCP4)[:14] + "\xff\xff", "announces 65535"},
		{"v2 with half an extension", v2(commandProxy, overTCP4, with(source4, 4, 0, 9, 1)...), "middle of an extension"},
		{"v2 with a wrong checksum", summed(1), "checksum"},
		{"v2 with a short checksum", v2(commandProxy, overTCP4, with(source4, typeCRC32C, 0, 1, 7)...), "checksum of 1"},
	} {
		r := strings.NewReader(c.header + "GET /")
		if strings.Contains(c.want, "EOF") {
			r = strings.NewReader(c.header)
		}
		source, local, err := readHeader(r)
		got := "unknown"
		switch {
		case err != nil:
			got = err.Error()
		case local:
			got = "local"
		case source != nil:
			got = source.String()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if rest, _ := io.ReadAll(r); err == nil && string(rest) != "GET /" {
			t.Errorf("%s: what follows is %q", c.name, rest)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 10.0.0.1 4660 8080\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(commandProxy, overTCP6, source6...)))
	f.Add([]byte(summed(0)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		source, local, err := readHeader(r)
		if err != nil && (source != nil || local) {
			t.Error("an error comes with an address")
		}
		if read := len(sent) - r.Len(); read > 16+longestV2 {
			t.Errorf("read %d bytes", read)
		}
	})
}
