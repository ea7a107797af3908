// What is known of sessions beside what they do, for those who look after a node.

package hub

import (
	"context"
	"time"
)

// Description is what a gateway knows of a client's connection.
type Description struct {
	Transport string // one of a few words: "websocket", "sse", "poll", …; "" if it is not known
	Protocol  string // what is spoken over it, one of a few words: "native", "raw", …
	Passing   bool   // the session is there for one request only
	Fixed     bool   // the client speaks of the channels that it has named and no others, so the server cannot take it into one
	Remote    string // the client's address; "" while it is not known, or not any more
	Waiting   int    // bytes that wait to be written

	Carrier     string // what the transport rides on now, where that may change: of "engine.io", "polling" or "websocket"
	Subprotocol string // that was agreed on, or ""
	Compression bool   // messages may be compressed
}

// Describer is what a [Receiver] may be, too. Describe is called from any goroutine, also while the session is being opened. Transport,
// Protocol, Passing and Fixed do not change.
type Describer interface {
	Describe() Description
}

// Pinger is what a [Receiver] may be, too, whose client answers pings.
type Pinger interface {
	// RoundTrip sends a ping and tells how long its answer takes. ok is false if none came before ctx ended, or the connection cannot
	// be asked now.
	RoundTrip(ctx context.Context) (took time.Duration, ok bool)
}

// RoundTrip asks the session's client for a sign of life; ok is false if none came before ctx ended, or its transport has none.
func (s *Session) RoundTrip(ctx context.Context) (took time.Duration, ok bool) {
	if p, asks := s.receiver.(Pinger); asks {
		return p.RoundTrip(ctx)
	}
	return 0, false
}

// Connection is what the session's gateway knows of its connection.
func (s *Session) Connection() Description { return describe(s.receiver) }

func describe(r Receiver) Description {
	if d, ok := r.(Describer); ok {
		return d.Describe()
	}
	return Description{}
}

// Since is when the session was opened, to the millisecond.
func (s *Session) Since() time.Time { return time.UnixMilli(s.since) }

// Dismissal is a cause with which somebody who looks after a node ends a session in his own words.
type Dismissal struct {
	Close     int    // the code of the Close frame; 0 means that of Disconnected, or 1013 (try again later) with Reconnect
	Reason    string // told to the client
	Reconnect bool   // the client is asked to come back
}

func (d *Dismissal) Error() string { return d.Reason }

// Unwrap makes it a refusal like any other, for protocols that know no more.
func (d *Dismissal) Unwrap() error {
	if d.Reconnect {
		return Errorf(Unavailable, "%s", d.Reason)
	}
	return Errorf(Disconnected, "%s", d.Reason)
}
