// Package wire is the WebSocket protocol (RFC 6455) as a plain state machine: bytes in, events and bytes out. It has no
// socket, no goroutine and no clock, so the blocking connection, the event loop, the tests and the fuzzers all drive
// this one implementation.
//
// Receiving is a [Decoder]. It is fed whatever bytes have arrived, however they were cut, and hands up [Event] values:
// a piece of a data message, a ping, a pong or a close.
//
//	d := wire.NewDecoder(wire.Server, &wire.Limits{Message: 1 << 20}, false)
//	for len(in) > 0 {
//		n, ev, err := d.Next(in)
//		in = in[n:]
//		…
//	}
//
// Sending is [AppendFrame] and its relatives, which write one frame behind the bytes of a caller's buffer. The two
// directions share no state but the closing handshake of RFC 6455 §7, which is the [Closing] machine.
//
// # Memory
//
// A Decoder parses in place: it unmasks the input where it lies, and [Event.Payload] points into that input. It copies
// only what was cut by the end of the input: at most thirteen bytes of a header, three of a character, and a control
// frame's payload of at most 125 bytes.
//
// # Concurrency
//
// Nothing here locks. A Decoder and a Closing each belong to one goroutine at a time; the functions are pure.
package wire
