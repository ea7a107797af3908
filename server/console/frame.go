// A frame as the console shows it: sizes, flags, and a payload without secrets.

package console

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// frameAnswer is a frame.
type frameAnswer struct {
	Seq       uint64 `json:"seq"`
	Time      stamp  `json:"time"`
	Direction string `json:"direction"` // in, out
	Opcode    string `json:"opcode"`
	Fin       bool   `json:"fin"`
	RSV1      bool   `json:"rsv1"`
	Masked    bool   `json:"masked"`
	Wire      int64  `json:"wire_bytes"`
	Inflated  *int64 `json:"inflated_bytes"`       // null if it is not known
	CloseCode int    `json:"close_code,omitempty"` // of a Close frame
	// One of both, the first if it is text.
	Payload   *string `json:"payload,omitempty"`
	Base64    []byte  `json:"payload_base64,omitempty"`
	Truncated bool    `json:"truncated"` // not all of the payload is shown
	Redacted  bool    `json:"redacted"`  // something in it is hidden
}

func (f *seen) answer(number uint64) frameAnswer {
	a := frameAnswer{Seq: number, Time: stamp{f.time}, Direction: "in", Opcode: f.Opcode, Fin: f.Fin, RSV1: f.RSV1, Masked: f.Masked, Wire: f.Wire}
	if f.Sent {
		a.Direction = "out"
	}
	if f.Size >= 0 {
		a.Inflated = &f.Size
	}
	payload := f.Payload
	a.Truncated = f.Size != int64(len(payload)) // also if the size is not known: of a part of a compressed message nothing is shown
	if f.Opcode == "close" && len(payload) >= 2 {
		a.CloseCode = int(binary.BigEndian.Uint16(payload))
		payload = payload[2:]
	}
	if f.hidden {
		a.show(f.Opcode, nil)
		a.Truncated, a.Redacted = true, true
		return a
	}
	payload, a.Redacted = redactedPart(f.before, payload)
	if a.Truncated {
		payload = wholeCharacters(payload)
	}
	a.show(f.Opcode, payload)
	return a
}

// show shows a payload as text if it is, but what was sent as binary.
func (a *frameAnswer) show(opcode string, payload []byte) {
	if opcode == "binary" || !utf8.Valid(payload) {
		a.Base64 = payload
		return
	}
	text := string(payload)
	a.Payload = &text
}

// wholeCharacters is a text without the character that its end cuts.
func wholeCharacters(text []byte) []byte {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if first := text[len(text)-back]; utf8.RuneStart(first) {
			if !utf8.FullRune(text[len(text)-back:]) {
				return text[:len(text)-back]
			}
			break
		}
	}
	return text
}

// redactedPart is a part of a message without what is secret in it, with regard to what came before it.
func redactedPart(before, part []byte) (shown []byte, redacted bool) {
	whole := part
	if len(before) > 0 {
		whole = append(bytes.Clone(before), part...)
	}
	spans := secretSpans(whole)
	at := len(before)
	for _, s := range spans {
		if s.end <= at {
			continue
		}
		shown = append(append(shown, whole[at:max(s.start, at)]...), hidden...)
		at, redacted = s.end, true
	}
	return append(shown, whole[at:]...), redacted
}
