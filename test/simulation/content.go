// Whether what arrived is what was published, as far as a transport tells.

package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ringdown/ringdown/hub"
)

// differs tells how what arrived over a transport differs from what was published; "" if it does not.
func (meant *Content) differs(seen *Content, over Transport) string {
	if over == Raw || over == SSE {
		if (meant.Kind == hub.Binary) != (seen.Kind == hub.Binary) {
			return fmt.Sprintf("its kind is %v, not %v", seen.Kind, meant.Kind)
		}
	} else if meant.Kind != seen.Kind {
		return fmt.Sprintf("its kind is %v, not %v", seen.Kind, meant.Kind)
	}
	if over != Raw && meant.Event != seen.Event {
		return fmt.Sprintf("its event is %q, not %q", seen.Event, meant.Event)
	}
	if over != Raw && over != SSE && meant.Key != seen.Key {
		return fmt.Sprintf("its key is %q, not %q", seen.Key, meant.Key)
	}
	if want, got := meant.over(over), seen.over(over); !bytes.Equal(want, got) {
		return fmt.Sprintf("its payload is %q, not %q", cut(got), cut(want))
	}
	return ""
}

// over is the payload as a transport carries it: SSE has one way to end a line (its specification, section 9.2.6), and JSON
// within JSON may lose white space between its tokens.
func (meant *Content) over(t Transport) []byte {
	switch {
	case t == SSE && meant.Kind != hub.Binary:
		return bytes.ReplaceAll(bytes.ReplaceAll(meant.Payload, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	case t != Raw && meant.Kind == hub.JSON:
		var b bytes.Buffer
		if json.Compact(&b, meant.Payload) == nil {
			return b.Bytes()
		}
	}
	return meant.Payload
}

func cut(payload []byte) string {
	const enough = 60
	if len(payload) > enough {
		return fmt.Sprintf("%s… (%d bytes)", payload[:enough], len(payload))
	}
	return string(payload)
}
