// The PROXY protocol's header, versions 1 and 2, as HAProxy's specification (proxy-protocol.txt) has it.

package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	longestV1 = 107     // bytes, with the line's end
	longestV2 = 4 << 10 // bytes after the fixed part; the addresses of Unix sockets take 216, the rest is for extensions
)

// signatureV2 begins a header of version 2; nothing that speaks HTTP or TLS could.
var signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")

// errNoHeader is what a connection gets that begins otherwise.
var errNoHeader = errors.New("the connection does not begin with a header of the PROXY protocol; have the proxy send one (send-proxy-v2), " +
	"or switch the PROXY protocol off for this listener")

// readHeader reads a header from r, and not a byte more: what follows is for whoever takes the connection over. local means that the
// proxy speaks for itself, to see whether we live. An address that the proxy does not know leaves source nil.
func readHeader(r io.Reader) (source net.Addr, local bool, err error) {
	start := make([]byte, 12, 16+216) // both versions are longer
	if _, err := io.ReadFull(r, start[:1]); err != nil {
		return nil, false, err
	}
	if start[0] != 'P' && start[0] != signatureV2[0] {
		return nil, false, errNoHeader
	}
	if _, err := io.ReadFull(r, start[1:]); err != nil {
		return nil, false, cutShort(err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("PROXY ")):
		return readV1(r, start)
	case bytes.Equal(start, signatureV2):
		return readV2(r, start[:12])
	}
	return nil, false, errNoHeader
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readV1 reads the rest of a line byte by byte, for its length is not known: at most 107 system calls, for a proxy that is old.
func readV1(r io.Reader, line []byte) (net.Addr, bool, error) {
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longestV1 {
			return nil, false, fmt.Errorf("the PROXY line is longer than %d bytes", longestV1)
		}
		line = append(line, 0)
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return nil, false, cutShort(err)
		}
	}
	words := strings.Split(string(line[:len(line)-2]), " ")
	if words[1] == "UNKNOWN" { // whatever follows is to be ignored
		return nil, false, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return nil, false, fmt.Errorf("the PROXY line is malformed: %.107q", line)
	}
	source, err := addressV1(words[1], words[2], words[4])
	if err == nil {
		_, err = addressV1(words[1], words[3], words[5])
	}
	if err != nil {
		return nil, false, err
	}
	return net.TCPAddrFromAddrPort(source), false, nil
}

func addressV1(family, address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() != (family == "TCP4") || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("the PROXY line has the address %.50q, which is none of %s", address, family)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '+' || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("the PROXY line has the port %.10q", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// The parts of a version 2 header.
const (
	commandLocal = 0x20
	commandProxy = 0x21
	overTCP4     = 0x11
	overTCP6     = 0x21
	typeCRC32C   = 0x03
)

func readV2(r io.Reader, start []byte) (net.Addr, bool, error) {
	header := start[:16]
	if _, err := io.ReadFull(r, header[12:]); err != nil {
		return nil, false, cutShort(err)
	}
	command, transport, length := header[12], header[13], int(binary.BigEndian.Uint16(header[14:]))
	if command != commandLocal && command != commandProxy {
		return nil, false, fmt.Errorf("the PROXY header has version and command %#x; known are %#x and %#x", command, commandLocal, commandProxy)
	}
	if length > longestV2 {
		return nil, false, fmt.Errorf("the PROXY header announces %d bytes; at most %d are taken", length, longestV2)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, false, cutShort(err)
	}
	if command == commandLocal {
		return nil, true, nil
	}
	source, extensions, err := addressV2(transport, body)
	if err == nil {
		err = checkExtensions(header, body, extensions)
	}
	if err != nil {
		return nil, false, err
	}
	return source, false, nil
}

// addressV2 reads the source, and returns what stands behind the addresses. Transports other than TCP have no address for us.
func addressV2(transport byte, body []byte) (source net.Addr, extensions []byte, err error) {
	n := 0 // bytes of an address
	switch transport {
	case overTCP4:
		n = 4
	case overTCP6:
		n = 16
	default:
		return nil, nil, nil
	}
	if len(body) < 2*n+4 {
		return nil, nil, fmt.Errorf("the PROXY header has %d bytes of addresses; its transport takes %d", len(body), 2*n+4)
	}
	a, _ := netip.AddrFromSlice(body[:n])
	port := binary.BigEndian.Uint16(body[2*n:])
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Unmap(), port)), body[2*n+4:], nil
}

// checkExtensions walks the extensions (type, length, value), and compares the checksum if there is one.
func checkExtensions(header, body, extensions []byte) error {
	for len(extensions) > 0 {
		if len(extensions) < 3 || len(extensions)-3 < int(binary.BigEndian.Uint16(extensions[1:])) {
			return errors.New("the PROXY header ends in the middle of an extension")
		}
		n := int(binary.BigEndian.Uint16(extensions[1:]))
		value := extensions[3 : 3+n]
		if extensions[0] == typeCRC32C {
			if n != 4 {
				return fmt.Errorf("the PROXY header has a checksum of %d bytes; it has 4", n)
			}
			want := binary.BigEndian.Uint32(value)
			clear(value) // it is computed with zeros in its place
			table := crc32.MakeTable(crc32.Castagnoli)
			if got := crc32.Update(crc32.Checksum(header, table), table, body); got != want {
				return errors.New("the PROXY header does not have the checksum that it says")
			}
		}
		extensions = extensions[3+n:]
	}
	return nil
}
