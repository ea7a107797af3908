// Messages that the hub of one node sends to those of others.

package wire

import "fmt"

// AppendMessage appends a message and the name of the node that it is from.
func AppendMessage(b []byte, from string, body []byte) []byte {
	b = appendField(append(b, messageMark), fromTag, from)
	return append(append(b, endTag), body...)
}

// DecodeMessage reads a message. The body is a part of b.
func DecodeMessage(b []byte) (from string, body []byte, err error) {
	if TypeOf(b) != Message {
		return "", nil, fmt.Errorf("a message between nodes cannot be read: it begins with %.1q", b)
	}
	b = b[1:]
	for {
		tag, value, rest, err := nextField(b, false)
		if err == nil && tag != fromTag && tag != endTag {
			err = unknown(tag)
		}
		if err != nil {
			return "", nil, fmt.Errorf("a message between nodes cannot be read: %w", err)
		}
		b = rest
		switch tag {
		case endTag:
			return from, b, nil
		case fromTag:
			from = string(value)
		}
	}
}
