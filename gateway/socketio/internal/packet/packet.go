// Package packet is Socket.IO protocol revision 5: packets to and from the text of Engine.IO messages. It does no I/O.
//
//	<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//
// A [Decoder] takes the messages of one connection, cut anywhere into packets and their attachments, and holds them to the protocol:
// whatever it refuses, it refuses with an [*Error] that names the violation, and the connection is over. [Append] writes a packet.
package packet

import (
	"slices"
	"strconv"
)

// Type is what a packet is for.
type Type uint8

// The types of packets, by their digits.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent
	BinaryAck
)

// String is the type's name in the protocol's specification.
func (t Type) String() string {
	if int(t) >= len(names) {
		return "type " + strconv.Itoa(int(t))
	}
	return names[t]
}

var names = []string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"}

// Binary tells whether packets of the type have attachments.
func (t Type) Binary() bool { return t == BinaryEvent || t == BinaryAck }

// Packet is one packet. That of a [Decoder] has been checked: an event's first element is a name that an application may use.
type Packet struct {
	Type      Type
	Namespace string // begins with "/"
	HasID     bool
	ID        uint64
	Data      []byte // JSON; nil if there is none

	// Elements are those of Data where that is an array: of events and acknowledgements. They lie within Data.
	Elements [][]byte
	// Count is how many attachments a binary packet has announced.
	Count int
	// Attachments are the bytes that the placeholders in Data stand for, in order.
	Attachments [][]byte
}

// Reserved tells whether an event may not be called that, because clients and servers use the name for themselves.
func Reserved(event string) bool { return slices.Contains(reserved, event) }

var reserved = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// Append appends the text of p, without its attachments: its type, Count, Namespace, ID and Data. It checks nothing.
func Append(b []byte, p *Packet) []byte {
	b = append(b, '0'+byte(p.Type))
	if p.Type.Binary() {
		b = append(strconv.AppendInt(b, int64(p.Count), 10), '-')
	}
	if p.Namespace != "/" {
		b = append(append(b, p.Namespace...), ',')
	}
	if p.HasID {
		b = strconv.AppendUint(b, p.ID, 10)
	}
	return append(b, p.Data...)
}

// AppendPlaceholder appends what stands for attachment num in JSON.
func AppendPlaceholder(b []byte, num int) []byte {
	b = append(b, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(b, int64(num), 10), '}')
}
