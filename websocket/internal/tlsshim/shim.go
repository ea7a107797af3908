// Package tlsshim is TLS by the standard library for whoever carries the bytes himself: crypto/tls believes that it reads
// from and writes to a connection, and is handed what was received, and its output taken to be sent.
//
// Two facts make that work: a temporary error ends a Read of crypto/tls without being remembered, and a Write that always
// succeeds is never asked to be repeated.
package tlsshim

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// maxAnswers is how many bytes crypto/tls may answer for itself, to updates of keys, before the peer takes them.
const maxAnswers = 64 << 10

// Shim is the connection beneath a tls.Conn of [NewListener]. It begins as the network connection itself, for the handshake
// and the HTTP request. Once somebody has taken over, reads take from what he has received, and writes go to what he will
// send. From then on one goroutine at a time uses it.
type Shim struct {
	net.Conn
	tls     *tls.Conn // over this
	carried bool      // somebody has taken over
	in      []byte    // received and not decrypted yet
	out     []byte    // encrypted and not sent yet

	answers int           // bytes of out that crypto/tls has written for itself
	slots   chan struct{} // of a handshake under way: one is given up while waiting for the peer
}

// Of is the shim beneath a connection, or nil if there is none: it is no TLS, or not from [NewListener].
func Of(nc net.Conn) *Shim {
	secure, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	s, _ := secure.NetConn().(*Shim)
	return s
}

// TakeOver lets go of the network connection: from now on the caller carries the bytes.
func (s *Shim) TakeOver() { s.Conn, s.carried = nil, true }

// GiveBack ends TakeOver: the bytes go over nc again, behind those received already. It returns the TLS connection.
func (s *Shim) GiveBack(nc net.Conn) net.Conn {
	s.Conn, s.carried = nc, false
	return s.tls
}

// Again is the end of what was received so far: an error of [Shim.Decrypt].
var Again error = again{}

// Receive adds what has come from the network. It is copied.
func (s *Shim) Receive(p []byte) { s.in = append(s.in, p...) }

// Decrypt fills p with what was received and decrypted. What crypto/tls answers by itself, an alert or an update of keys, is
// in Out. The error is [Again] when nothing is left, io.EOF when the peer has ended the stream, and final but for Again.
func (s *Shim) Decrypt(p []byte) (int, error) {
	before := len(s.out)
	n, err := s.tls.Read(p)
	s.answers += len(s.out) - before
	switch _, starved := errors.AsType[again](err); {
	case s.answers > maxAnswers:
		return n, errors.New("TLS: the peer asks and does not read the answers")
	case starved:
		if len(s.in) == 0 {
			s.in = nil
		}
		return n, Again
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, io.EOF
	}
	return n, err
}

// Discard drops what was received and not decrypted.
func (s *Shim) Discard() { s.in = nil }

// Encrypt adds the ciphertext of p to Out.
func (s *Shim) Encrypt(p []byte) error {
	_, err := s.tls.Write(p)
	return err
}

// CloseWrite adds to Out that no more will come. A second call does nothing.
func (s *Shim) CloseWrite() { s.tls.CloseWrite() }

// Out is what is to be sent.
func (s *Shim) Out() []byte { return s.out }

// Sent says that of Out only rest is left to be sent; rest is the end of it.
func (s *Shim) Sent(rest []byte) {
	if len(rest) > 0 {
		s.out = rest
		return
	}
	s.out, s.answers = s.out[:0], 0
}

// Idle lets go of the memory of Out, which has been sent.
func (s *Shim) Idle() { s.out = nil }

// again is the temporary error: crypto/tls hands it on and keeps what it has read of a record; any other it would remember
// for ever.
type again struct{}

func (again) Error() string   { return "nothing received yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Read is for crypto/tls.
func (s *Shim) Read(p []byte) (int, error) {
	switch {
	case len(s.in) > 0: // also after GiveBack
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, nil
	case !s.carried:
		s.yield()
		defer s.reclaim()
		return s.Conn.Read(p)
	}
	return 0, Again
}

// Write is for crypto/tls. It always takes all of p: crypto/tls cannot go on after a write that failed. What holds a slow peer to its bounds
// stands above.
func (s *Shim) Write(p []byte) (int, error) {
	if !s.carried {
		s.yield()
		defer s.reclaim()
		return s.Conn.Write(p)
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

// yield lets another handshake work, while this one waits for the network.
func (s *Shim) yield() {
	if s.slots != nil {
		<-s.slots
	}
}

// reclaim waits until this handshake may work again. Those that work do not wait for anything, so it is not for long.
func (s *Shim) reclaim() {
	if s.slots != nil {
		s.slots <- struct{}{}
	}
}

// SetDeadline does nothing once somebody has taken over: he has deadlines of his own, and crypto/tls sets one when it closes.
func (s *Shim) SetDeadline(t time.Time) error {
	if s.carried {
		return nil
	}
	return s.Conn.SetDeadline(t)
}

// SetReadDeadline is as SetDeadline.
func (s *Shim) SetReadDeadline(t time.Time) error {
	if s.carried {
		return nil
	}
	return s.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is as SetDeadline.
func (s *Shim) SetWriteDeadline(t time.Time) error {
	if s.carried {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}
