// Package handshake is the opening handshake of RFC 6455 §4 as pure functions: header fields in, a verdict or header
// fields out. It opens no socket, starts no goroutine and reads no clock; the blocking connection, the tests and the
// fuzzers drive the same code.
//
// A server asks [CheckRequest] and [Origins.Check], picks a subprotocol with [ParseSubprotocols] and
// [ChooseSubprotocol] and extensions with [ParseExtensions], and answers with [AppendResponse], or with [WriteRefusal]
// when anything was refused. A client sends what [ClientHeader] builds and hands the answer to [CheckResponse].
//
// Every function is safe for concurrent use, keeps nothing of its arguments unless its comment says so, and takes time
// linear in its input. What is quoted from the peer in an error or a refusal is escaped and cut at 64 bytes.
package handshake
