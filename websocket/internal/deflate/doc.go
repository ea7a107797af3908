// Package deflate is permessage-deflate, the compression extension of WebSocket (RFC 7692): the negotiation of its
// parameters and the codec for the payloads of its messages.
//
// It does no I/O, starts no goroutine and reads no clock. Headers are parsed elsewhere: [Answer] and [Accepted] take
// parameters that were already split into names and values. What they agree on says how to build the two halves of a
// connection, one per direction:
//
//	p, ok := deflate.Answer(offer, deflate.Takeover) // at the server
//	send := deflate.NewDeflator(!p.ServerNoContextTakeover, p.ServerMaxWindowBits, 1)
//	receive := deflate.NewInflator(!p.ClientNoContextTakeover, p.ClientMaxWindowBits)
//
//	frame = send.Append(frame, payload)
//	message, err = receive.Append(message[:0], payload, deflate.Bounds{Size: 1 << 20, Ratio: 200})
//
// # Memory
//
// A DEFLATE compressor takes 0.8 MB or more and a decompressor 45 KB, so both live in pools and belong to a connection
// only while one of its messages is being worked on. What a connection keeps is plaintext: nothing without context
// takeover; with it 2 KiB for sending, whatever window was agreed (a compressor is free to look back less far than it
// may), and for receiving the agreed window; to each an eighth more. [Answer] asks clients for a window of 4 KiB.
//
// # Concurrency
//
// A Deflator belongs to whoever writes and an Inflator to whoever reads the connection: neither may be used by two
// goroutines at once. With context takeover messages must be given to them in the order of the wire. The functions of
// the package are safe from everywhere.
package deflate
