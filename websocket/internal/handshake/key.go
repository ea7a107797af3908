package handshake

// The challenge of the handshake: a client's random key and the server's proof that it read it (RFC 6455 §1.3, §4.1
// items 7 and 4, §4.2.2 item 5.4).

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
)

const (
	// acceptGUID is what the server appends to the key before hashing it (§1.3).
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

	nonceBytes = 16

	// keyLen is the length of 16 bytes in base64: 22 digits and "==".
	keyLen    = 24
	acceptLen = 28
)

// NewKey returns a fresh Sec-WebSocket-Key: 16 bytes from crypto/rand in base64.
func NewKey() string {
	var nonce [nonceBytes]byte
	rand.Read(nonce[:]) // never fails: the runtime ends the program instead
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// AcceptKey returns the Sec-WebSocket-Accept that answers key.
func AcceptKey(key string) string {
	var buf [acceptLen]byte
	return string(appendAcceptKey(buf[:0], key))
}

func appendAcceptKey(dst []byte, key string) []byte {
	var buf [keyLen + len(acceptGUID)]byte
	challenge := append(buf[:0], key...)
	challenge = append(challenge, acceptGUID...)
	sum := sha1.Sum(challenge)
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// isKey reports whether s is base64 of exactly 16 bytes. As most servers do, it lets the last digit carry stray bits:
// §4.2.1 item 5 asks only that the value decodes to 16 bytes.
func isKey(s string) bool {
	if len(s) != keyLen || s[keyLen-2:] != "==" {
		return false
	}
	for _, c := range []byte(s[:keyLen-2]) {
		if !isAlnum(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
