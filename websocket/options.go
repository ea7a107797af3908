// What may be set on a connection: compression, limits and keep-alive, with their defaults.

package websocket

import (
	"time"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// CompressionMode says whether messages are compressed (permessage-deflate, RFC 7692), and what the connection remembers.
type CompressionMode uint8

// The compression modes. The peer may always agree on less.
const (
	// CompressionOff is the default: no compression. It costs neither memory nor CPU.
	CompressionOff CompressionMode = iota
	// CompressionNoTakeover compresses each message by itself. An idle connection keeps no memory for it.
	CompressionNoTakeover
	// CompressionTakeover compresses a message with the help of those before it, which pays with small messages that
	// resemble each other. An idle connection keeps a window of up to 4 KiB in each direction; a client whose server
	// insists on it, 32 KiB.
	CompressionTakeover
)

// mode is m as the codec knows it.
func (m CompressionMode) mode() deflate.Mode {
	switch m {
	case CompressionNoTakeover:
		return deflate.NoTakeover
	case CompressionTakeover:
		return deflate.Takeover
	}
	return deflate.Off
}

// Compression says whether and how a connection compresses. The zero value is off.
type Compression struct {
	Mode CompressionMode
	// Threshold is the size in bytes from which a message is compressed; smaller ones seldom gain. 0 means 512; a negative
	// value compresses all. Messages
	// written through a [Conn.Writer] are of unknown size and always compressed.
	Threshold int
	// Level is the effort of the compressor, 1 (fast) to 9 (small). 0 means 1. Under a window that the peer has
	// narrowed a compressor with a level of its own is used.
	Level int
}

// Limits bound what a peer can make a connection hold or wait for. The zero value is safe.
type Limits struct {
	// Message is the size in bytes of the largest message that is received, after inflating. A larger one fails the
	// connection with 1009. 0 means 1 MiB; a negative value, no limit. Every connection may hold this much while a message
	// arrives, and again while one is written to a peer that does not read.
	Message int64
	// Fragments is the number of frames that one received message may consist of. 0 means 131,072; a negative value, no
	// limit.
	Fragments int
	// InflateRatio is how many times larger than its compressed form a received message may be, once it is past 64 KiB.
	// 0 or a negative value is no bound but Message: honest data reaches 1,015, and DEFLATE at the most 1,032.
	InflateRatio int
	// FrameTimeout is how long a message may take from its first byte to its last. The connection of a peer that is slower
	// fails with 1008. 0 means 30 s; a negative value, no limit.
	FrameTimeout time.Duration
	// WriteTimeout is how long a write may go on without the peer taking a byte (over TLS and what is no socket: 64 KiB);
	// then the connection is dropped. 0 means 30 s; a negative value, no limit.
	WriteTimeout time.Duration
	// CloseTimeout is how long [Conn.Close] waits for the peer's answer. 0 means 5 s.
	CloseTimeout time.Duration
}

// KeepAlive finds peers that have gone without a word. When nothing has come from the peer for Interval a ping is sent,
// and when nothing has come for Timeout after that the connection is dropped. It watches only while somebody reads.
type KeepAlive struct {
	// Interval is the silence after which a ping is sent. 0 means 20 s at a server and off at a client; a negative value is
	// off.
	Interval time.Duration
	// Timeout is how long the answer to a ping may take. 0 means 10 s.
	Timeout time.Duration
}

// The defaults, and the bound on control frames, which nobody has a reason to change: a peer may send controlBudget of
// them in each controlWindow.
const (
	defaultMessage      = 1 << 20
	defaultFragments    = 1 << 17
	defaultFrameTimeout = 30 * time.Second
	defaultWriteTimeout = 30 * time.Second
	defaultCloseTimeout = 5 * time.Second
	defaultInterval     = 20 * time.Second
	defaultTimeout      = 10 * time.Second
	defaultThreshold    = 512

	controlBudget = 1000
	controlWindow = time.Second
)

// settings are options with the defaults filled in. All connections of one Handler share one.
type settings struct {
	role        wire.Role
	compression Compression
	limits      assemble.Limits
	keepAlive   KeepAlive     // Interval 0 is off
	frame       time.Duration // 0 is no limit, here and below
	write       time.Duration
	close       time.Duration
	corkBursts  bool
}

func newSettings(role wire.Role, c Compression, l Limits, k KeepAlive, corkBursts bool) *settings {
	s := &settings{role: role, compression: c, keepAlive: k, corkBursts: corkBursts}
	s.compression.Threshold = orDefault(c.Threshold, defaultThreshold)
	s.compression.Level = min(orDefault(c.Level, 1), 9)
	message := orDefault(l.Message, defaultMessage)
	s.limits.Wire = wire.Limits{
		Message:   message,
		Fragments: orDefault(l.Fragments, defaultFragments),
		Control:   controlBudget,
	}
	s.limits.Inflate = deflate.Bounds{Size: message, Ratio: max(l.InflateRatio, 0)}
	if message == 0 {
		s.limits.Inflate.Size = -1
	}
	s.frame = orDefault(l.FrameTimeout, defaultFrameTimeout)
	s.write = orDefault(l.WriteTimeout, defaultWriteTimeout)
	s.close = orDefault(l.CloseTimeout, defaultCloseTimeout)
	if s.close == 0 {
		s.close = defaultCloseTimeout
	}
	interval := defaultInterval
	if role == wire.Client {
		interval = 0
	}
	s.keepAlive.Interval = orDefault(k.Interval, interval)
	s.keepAlive.Timeout = orDefault(k.Timeout, defaultTimeout)
	if s.keepAlive.Timeout == 0 {
		s.keepAlive.Timeout = defaultTimeout
	}
	return s
}

// orDefault reads an option: zero stands for its default, and anything negative for none, which from here on is zero.
func orDefault[T ~int | ~int64](value, standard T) T {
	switch {
	case value == 0:
		return standard
	case value < 0:
		return 0
	}
	return value
}
