// Messages to send: text that is awkward to cut, bytes that a compressor finds little in, and JSON that resembles what
// came before.

package interop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// message is a message that ws shall send.
type message struct {
	Base64 []byte `json:"base64"`
	Binary bool   `json:"binary"`
}

// text is UTF-8 of exactly size bytes. Its characters are one to four bytes long.
func text(size int) []byte {
	const letters = "line, Läutwerk, линия, 電話線, 📞 "
	bytes := []byte(strings.Repeat(letters, size/len(letters)+1))[:size]
	whole := size // a character that the end cuts goes
	for !utf8.Valid(bytes[:whole]) {
		whole--
	}
	copy(bytes[whole:], "xxx")
	return bytes
}

func binary(size int) []byte {
	bytes := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(bytes)
	return bytes
}

// jsons are n messages, alike, never the same, of a few hundred bytes to a few thousand.
func jsons(t *testing.T, n int) [][]byte {
	t.Helper()
	type stop struct {
		Stop string `json:"stop"`
		At   int    `json:"at"`
		Late int    `json:"late"`
	}
	messages := make([][]byte, n)
	for i := range messages {
		stops := make([]stop, 3+i%40)
		for j := range stops {
			stops[j] = stop{fmt.Sprintf("station %d", (i*7+j)%90), 1_700_000_000 + i*61 + j*97, i * j % 5}
		}
		bytes, err := json.Marshal(map[string]any{"id": i, "type": "departure", "note": "geänderte Ankunft", "stops": stops})
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = bytes
	}
	return messages
}
