// Messages that are made ready once: what they hold, and what they are in a payload.

package engineio

import (
	"bytes"
	"testing"
	"unsafe"
)

func TestAPreparedMessageHoldsItsTextOnce(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 1000)
	m := Prepare(text)
	payload := m.first.Payload()
	if got := m.polling(); unsafe.SliceData(got) != unsafe.SliceData(payload) {
		t.Error("polling has a copy of what WebSockets have")
	}
	clear(text)
	if !bytes.Equal(m.polling(), append([]byte("4"), bytes.Repeat([]byte("x"), 1000)...)) {
		t.Error("it still needs what it was made of")
	}
}

func TestPreparedMessagesInPayloads(t *testing.T) {
	for _, c := range []struct {
		m    *Message
		want string
	}{
		{Prepare([]byte("a")), "4a"},
		{Prepare(nil), "4"},
		{Prepare([]byte("a"), []byte{1}, []byte{2}), "4a\x1ebAQ==\x1ebAg=="},
		{PrepareBinary([]byte{1}), "bAQ=="},
		{PrepareBinary(nil), "b"},
	} {
		if got := string(c.m.polling()); got != c.want {
			t.Errorf("%q instead of %q", got, c.want)
		}
	}
}
