// The limits: all of them, with their defaults, in one place.

package limit

import (
	"math"
	"time"
)

// Off, as PerSecond of a Rate or as a number, switches a limit off. What is switched off costs nothing.
const Off = -1

// Rate is a token bucket: PerSecond is what may go on for ever, Burst what may come at once after silence. A field that is 0 is as
// the default says; without a default Burst is PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are what somebody may send.
type Rates struct {
	Messages   Rate // messages, of any protocol
	Bytes      Rate // bytes of messages; one that is longer than Burst takes all of Burst
	Subscribes Rate // attempts to subscribe, also those that fail
}

// Limits are all limits. The zero value is Default(): a field that is 0 takes the value from there, [Off] switches it off.
// docs/security.md says what crossing each of them does.
type Limits struct {
	Session Rates // of one session
	User    Rates // of all sessions of a user together
	Address Rates // of all sessions from an address together
	Node    Rates // of all sessions of the node together

	Sessions    Sessions
	Connections Connections
	Patience    Patience

	// Remembered is how many addresses, and as many users, have buckets of their own: those that are connected, and those that
	// were within the last minute. Those beyond share 1024 buckets, each by a hash of its name.
	Remembered int
}

// Sessions limits how many sessions are open at once and how fast they come. Each WebSocket, event stream, and request that polls or
// publishes, is one.
type Sessions struct {
	PerUser       int  // open at once
	PerAddress    int  // open at once
	NewPerAddress Rate // opened, of an address
	New           Rate // opened, in all
}

// Connections limits what listeners accept. It counts those that HTTP holds: what rides an event loop is counted as a session.
type Connections struct {
	PerAddress    int  // open at once
	InAll         int  // open at once
	NewPerAddress Rate // accepted, of an address
	New           Rate // accepted, in all
}

// Patience is how often a session may be refused before it is ended: Refusals of them Within so much time. Only refusals by the
// session's own rates count: those that it shares with others may be crossed by them.
type Patience struct {
	Refusals int
	Within   time.Duration
}

// Default is what holds where nothing else is said. An address is given room for an office behind one address.
func Default() Limits {
	return Limits{
		Session: Rates{Messages: Rate{50, 100}, Bytes: Rate{256 << 10, 1 << 20}, Subscribes: Rate{50, 300}},
		User:    Rates{Messages: Rate{200, 400}, Bytes: Rate{1 << 20, 4 << 20}, Subscribes: Rate{200, 1200}},
		Address: Rates{Messages: Rate{1000, 2000}, Bytes: Rate{4 << 20, 16 << 20}, Subscribes: Rate{1000, 6000}},
		Node:    Rates{Messages: Rate{100_000, 100_000}, Bytes: Rate{256 << 20, 256 << 20}, Subscribes: Rate{100_000, 100_000}},
		Sessions: Sessions{
			PerUser: 100, PerAddress: 1000,
			NewPerAddress: Rate{100, 500}, New: Rate{5000, 10_000},
		},
		Connections: Connections{
			PerAddress: 1000, InAll: 20_000,
			NewPerAddress: Rate{50, 500}, New: Rate{5000, 10_000},
		},
		Patience:   Patience{Refusals: 20, Within: 10 * time.Second},
		Remembered: 100_000,
	}
}

// idle is how long somebody who has gone is remembered. Within it the buckets must have filled up, or forgetting would be a way
// round them: New refuses rates that take longer.
const idle = time.Minute

// or is l, with defaults where it is 0.
func (l Limits) or(d Limits) Limits {
	l.Session, l.User = l.Session.or(d.Session), l.User.or(d.User)
	l.Address, l.Node = l.Address.or(d.Address), l.Node.or(d.Node)
	l.Sessions = Sessions{
		either(l.Sessions.PerUser, d.Sessions.PerUser), either(l.Sessions.PerAddress, d.Sessions.PerAddress),
		l.Sessions.NewPerAddress.or(d.Sessions.NewPerAddress), l.Sessions.New.or(d.Sessions.New),
	}
	l.Connections = Connections{
		either(l.Connections.PerAddress, d.Connections.PerAddress), either(l.Connections.InAll, d.Connections.InAll),
		l.Connections.NewPerAddress.or(d.Connections.NewPerAddress), l.Connections.New.or(d.Connections.New),
	}
	l.Patience = Patience{either(l.Patience.Refusals, d.Patience.Refusals), either(l.Patience.Within, d.Patience.Within)}
	l.Remembered = either(l.Remembered, d.Remembered)
	return l
}

func (r Rates) or(d Rates) Rates {
	return Rates{r.Messages.or(d.Messages), r.Bytes.or(d.Bytes), r.Subscribes.or(d.Subscribes)}
}

func (r Rate) or(d Rate) Rate {
	switch {
	case r.PerSecond < 0:
		return Rate{PerSecond: Off}
	case r.PerSecond == 0:
		r = Rate{d.PerSecond, either(r.Burst, d.Burst)}
	case r.Burst == 0:
		r.Burst = int(min(math.Ceil(r.PerSecond), math.MaxInt32))
	}
	return r
}

// either is v, d for 0, or 0 if v is switched off.
func either[T int | time.Duration](v, d T) T {
	if v == 0 {
		v = d
	}
	return v
}
