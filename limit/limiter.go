// The Limiter: what all sessions have in common.

package limit

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ringdown/ringdown/hub"
)

// Options are what a Limiter needs beside its limits.
type Options struct {
	// Exempt are addresses to which the limits of an address do not apply: of a proxy that does not say for whom it speaks, or of
	// the backend.
	Exempt []netip.Prefix
	// Knocked says that [Limiter.Knock] is called for each session before it is opened, so that Open does not ask for the rates of new
	// sessions again.
	Knocked bool
	// Names are what the operator calls limits, by their names here, for the sentences that say what to raise; those that are not
	// in it keep theirs.
	Names map[string]string
	// Log is told of each session that is refused something, once in a while, and of each that is ended; nil means slog.Default.
	Log *slog.Logger
}

// Limiter is a [hub.Guard], and admits connections. Make one with New.
type Limiter struct {
	limits  Limits
	exempt  []netip.Prefix
	knocked bool               // see Options
	called  [len(names)]string // each limit, in sentences
	free    bool               // no limit of sessions holds
	log     *slog.Logger

	addresses *table[netip.Addr]
	users     *table[string]

	node           [kinds]*striped
	newSessions    *rate.Limiter
	newConnections *rate.Limiter
	connections    atomic.Int64 // accepted, and not closed

	refused  [len(names)]atomic.Uint64
	ended    atomic.Uint64
	sampling rate.Sometimes // of the log of refused connections
}

var _ hub.Guard = (*Limiter)(nil)

// New returns a Limiter. The error says which limit cannot be.
func New(limits Limits, o Options) (*Limiter, error) {
	limits = limits.or(Default())
	if err := limits.check(); err != nil {
		return nil, err
	}
	l := &Limiter{
		limits: limits, exempt: o.Exempt, knocked: o.Knocked, log: cmp.Or(o.Log, slog.Default()),
		addresses:      newTable[netip.Addr](limits.Remembered, limits.Address, limits.Sessions.NewPerAddress, limits.Connections.NewPerAddress),
		users:          newTable[string](limits.Remembered, limits.User, Rate{PerSecond: Off}, Rate{PerSecond: Off}),
		newSessions:    limits.Sessions.New.limiter(),
		newConnections: limits.Connections.New.limiter(),
		sampling:       rate.Sometimes{First: 3, Interval: time.Second},
	}
	for i, name := range names {
		l.called[i] = cmp.Or(o.Names[name], name)
	}
	l.free = limits.sessionsFree()
	for k, r := range limits.Node.each() {
		l.node[k] = newStriped(r)
	}
	return l, nil
}

// Limits are those that hold, defaults included.
func (l *Limiter) Limits() Limits { return l.limits }

// Refused is how often each limit has been crossed, by its name, as "session.messages".
func (l *Limiter) Refused() map[string]uint64 {
	all := make(map[string]uint64, len(names))
	for i, name := range names {
		all[name] = l.refused[i].Load()
	}
	return all
}

// Ended is how many sessions were ended because they went on regardless.
func (l *Limiter) Ended() uint64 { return l.ended.Load() }

// Connections is how many connections are accepted and not closed or taken over.
func (l *Limiter) Connections() int { return int(l.connections.Load()) }

// sessionsFree reports whether all limits of sessions are switched off.
func (l *Limits) sessionsFree() bool {
	for name, r := range l.rates() {
		if r.PerSecond >= 0 && !strings.HasPrefix(name, "connections.") {
			return false
		}
	}
	return l.Sessions.PerUser < 0 && l.Sessions.PerAddress < 0
}

// check refuses limits that let nothing through, and such as would be forgotten before they are over.
func (l *Limits) check() error {
	for name, r := range l.rates() {
		switch {
		case r.PerSecond < 0:
		case r.Burst < 1:
			return fmt.Errorf("limit: the burst of %s is %d, and nothing would ever pass; make it at least 1", name, r.Burst)
		case float64(r.Burst)/r.PerSecond > idle.Seconds():
			return fmt.Errorf("limit: %s takes %.0f s to refill a burst of %d at %g a second; limits are remembered for %s: lower the burst",
				name, float64(r.Burst)/r.PerSecond, r.Burst, r.PerSecond, idle)
		}
	}
	switch {
	case l.Remembered < 1:
		return fmt.Errorf("limit: remembered is %d; give it a positive number of addresses", l.Remembered)
	case l.Patience.Refusals > 0 && l.Patience.Within <= 0:
		return fmt.Errorf("limit: patience.within is %s; give it a positive time, or switch patience.refusals off", l.Patience.Within)
	}
	return nil
}

// counted reports whether a is under the limits of an address, and by what name it is known: IPv6 by its /64, which is what a
// customer is given.
func (l *Limiter) counted(a netip.Addr) (key netip.Addr, ok bool) {
	if !a.IsValid() {
		return key, false
	}
	a = a.Unmap().WithZone("")
	for _, p := range l.exempt {
		if p.Contains(a) {
			return key, false
		}
	}
	if a.Is6() {
		network, _ := a.Prefix(64)
		return network.Addr(), true
	}
	return a, true
}

// limiter is the token bucket for r, or nil if it is switched off.
func (r Rate) limiter() *rate.Limiter {
	if r.PerSecond < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
}
