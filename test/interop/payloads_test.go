// Messages to send: text that is awkward to cut, bytes that a compressor finds little in, and JSON that resembles what
// came before.

package interop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"unicode/utf8"
)

// message is a message that ws shall send.
type message struct {
	Base64 []byte `json:"base64"`
	Binary bool   `json:"binary"`
}

// once is f, which is asked for its results again and again, and is slow under the race detector. Nobody may change them.
func once[Result any](f func(int) Result) func(int) Result {
	var mu sync.Mutex
	results := make(map[int]Result)
	return func(n int) Result {
		mu.Lock()
		defer mu.Unlock()
		result, ok := results[n]
		if !ok {
			result = f(n)
			results[n] = result
		}
		return result
	}
}

var text, binary, jsons = once(makeText), once(makeBinary), once(makeJSONs)

// makeText is UTF-8 of exactly size bytes. Its characters are one to four bytes long.
func makeText(size int) []byte {
	const letters = "line, Läutwerk, линия, 電話線, 📞 "
	bytes := []byte(strings.Repeat(letters, size/len(letters)+1))[:size]
	whole := size // a character that the end cuts goes
	for !utf8.Valid(bytes[:whole]) {
		whole--
	}
	copy(bytes[whole:], "xxx")
	return bytes
}

func makeBinary(size int) []byte {
	bytes := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(bytes)
	return bytes
}

// makeJSONs are n messages, alike, never the same, of a few hundred bytes to a few thousand.
func makeJSONs(n int) [][]byte {
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
			panic(err)
		}
		messages[i] = bytes
	}
	return messages
}
