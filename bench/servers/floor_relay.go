package servers

// This file: the floor of whole servers. What one client says, all others are told, and everybody is a member who has shaken
// hands. The client masks with zeros, so that there is nothing to unmask, and says messages of one size.

import (
	"net"

	"github.com/ringdown/ringdown/bench/frames"
)

// Relay serves a listener until it fails. Every message has so many bytes of payload.
func Relay(ln net.Listener, payload int) error {
	h := frames.Header{Fin: true, Opcode: frames.OpText}
	request := frames.Client(nil, h, [4]byte{}, make([]byte, payload))
	answer := frames.Server(nil, h, make([]byte, payload))
	l := &floorLoop{
		request: len(request),
		read:    make([]byte, floorReadBuffer),
		conns:   make([]floorConn, floorMaxFD),
	}
	header := answer[:len(answer)-payload]
	var begun []byte // the end of what was read, while it is no whole message
	l.relay = func(from int, read []byte) {
		for begun = append(begun, read...); len(begun) >= l.request; begun = begun[l.request:] {
			message := append(answer[:len(header)], begun[l.request-payload:l.request]...)
			for _, fd := range l.members {
				if fd != from {
					_ = floorWrite(fd, message) // a member that is gone is dropped when the loop reads that
				}
			}
		}
		begun = append([]byte(nil), begun...)
	}
	if err := l.listen(ln); err != nil {
		return err
	}
	return l.run()
}
