// Package conformance checks that a WebSocket server or client keeps to the protocol: RFC 6455, and RFC 7692 where it
// compresses. It shares no code with what it tests: frames are made by hand, and messages are compressed and inflated by
// a codec of its own that counts how far back every reference goes.
//
// A [Case] is one short conversation. The side under test is an echo: it sends back every message as it came, text as
// text and binary as binary, and otherwise does what the protocol asks of it. The same cases serve in both directions.
//
// Against a server:
//
//	for _, c := range conformance.Cases() {
//		if c.Against != conformance.Clients {
//			err := c.Run(ctx, dial, "/echo")
//			…
//		}
//	}
//
// Against a client there is a [Server], which follows the convention of the field's fuzzing servers. The client asks for
// /getCaseCount, then for /runCase?case=N&agent=NAME for each N from 1 on, echoing until it is closed, and at the end for
// /updateReports?agent=NAME.
//
// The numbers of the cases are our own. Their chapters:
//
//	1  messages of every size          8  masks and lengths
//	2  pings and pongs                 9  large messages and limits
//	3  reserved bits                  10  bytes behind the handshake
//	4  reserved opcodes               11  agreeing on compression
//	5  fragments                      12  compressed messages
//	6  UTF-8                          13  what a compressed message may not be
//	7  the closing handshake
package conformance
