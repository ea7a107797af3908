// Members of channels, and that they come and go.

package wire

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/ringdown/ringdown/hub"
)

// AppendMember appends a member.
func AppendMember(b []byte, m hub.Member) []byte {
	b = appendField(b, sessionTag, m.Session)
	b = appendField(b, userTag, m.User)
	return appendField(b, infoTag, m.Info)
}

// DecodeMember reads a member. It keeps nothing of b.
func DecodeMember(b []byte) (m hub.Member, err error) {
	for len(b) > 0 {
		tag, value, rest, err := nextField(b, true)
		if err != nil {
			return hub.Member{}, fmt.Errorf("a member cannot be read: %w", err)
		}
		b = rest
		switch tag {
		case endTag:
			return hub.Member{}, fmt.Errorf("a member cannot be read: there is something after it")
		case sessionTag:
			m.Session = string(value)
		case userTag:
			m.User = string(value)
		case infoTag:
			m.Info = bytes.Clone(value)
		default:
			if err := unknown(tag); err != nil {
				return hub.Member{}, fmt.Errorf("a member cannot be read: %w", err)
			}
		}
	}
	return m, nil
}

// AppendPresence appends an event, without its channel.
func AppendPresence(b []byte, e hub.PresenceEvent) []byte {
	sign := byte('-')
	if e.Joined {
		sign = '+'
	}
	b = append(b, presenceMark, sign, ' ')
	b = append(strconv.AppendInt(b, int64(e.Sessions), 10), ' ')
	b = append(strconv.AppendInt(b, int64(e.Users), 10), ' ')
	return AppendMember(b, e.Member)
}

// DecodePresence reads an event, whose channel the reader knows. It keeps nothing of b.
func DecodePresence(b []byte) (e hub.PresenceEvent, err error) {
	if len(b) < 3 || b[0] != presenceMark || b[1] != '+' && b[1] != '-' || b[2] != ' ' {
		return e, fmt.Errorf("a presence event cannot be read: it begins with %.3q", b)
	}
	e.Joined = b[1] == '+'
	sessions, rest, ok1 := bytes.Cut(b[3:], space)
	users, rest, ok2 := bytes.Cut(rest, space)
	if !ok1 || !ok2 {
		return hub.PresenceEvent{}, fmt.Errorf("a presence event cannot be read: %w", errShort)
	}
	if e.Sessions, err = count(sessions); err == nil {
		e.Users, err = count(users)
	}
	if err == nil {
		e.Member, err = DecodeMember(rest)
	}
	if err != nil {
		return hub.PresenceEvent{}, fmt.Errorf("a presence event cannot be read: %w", err)
	}
	return e, nil
}

func count(digits []byte) (int, error) {
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("a count is %.20q", digits)
	}
	return int(n), nil
}
