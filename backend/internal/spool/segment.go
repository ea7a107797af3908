// The form of a segment: a file of records, written at its end only.
//
// A segment's name is the number of its first record, in 20 digits, and ".events". It begins with 8 bytes, "RDSPOOL" and the
// version; each record is its length and its CRC-32C, 4 bytes each with the lowest first, and its bytes. The sum covers the
// length, too, so that a file of zeros holds no records.

package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	magic      = "RDSPOOL\x01"
	headerSize = 8
	suffix     = ".events"

	// maxRecord bounds a record, so that a length that is garbage is noticed before anything is read by it.
	maxRecord = 4 << 20
)

var table = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a record that is not whole, or not what was written.
var errTorn = errors.New("spool: a record is torn")

// appendRecord writes a record to the end of b.
func appendRecord(b, record []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b[start:start+4], record))
	return append(b, record...)
}

func checksum(length, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, table), table, record)
}

// nextRecord returns the record at the start of b, a slice of it, and how much of b it takes. Nothing at all is (nil, 0, nil).
func nextRecord(b []byte) (record []byte, size int, err error) {
	if len(b) == 0 {
		return nil, 0, nil
	}
	if len(b) < headerSize {
		return nil, 0, errTorn
	}
	length := binary.LittleEndian.Uint32(b)
	if length > maxRecord || int(length) > len(b)-headerSize {
		return nil, 0, errTorn
	}
	size = headerSize + int(length)
	record = b[headerSize:size:size]
	if checksum(b[:4], record) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, errTorn
	}
	return record, size, nil
}

// scan counts the whole records at the start of a segment and the bytes up to the end of the last one. With an error, what comes
// after is no record; a segment without its magic has none.
func scan(b []byte) (records int, good int64, err error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return 0, 0, errTorn
	}
	good = int64(len(magic))
	for {
		_, size, err := nextRecord(b[good:])
		if size == 0 {
			return records, good, err
		}
		records++
		good += int64(size)
	}
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// segmentFirst is the number in a segment's name.
func segmentFirst(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}
