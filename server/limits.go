// Limits of clients: what the configuration says of them, in the words of package limit.

package server

import (
	"log/slog"
	"math"
	"net/netip"

	"github.com/ringdown/ringdown/limit"
	"github.com/ringdown/ringdown/server/config"
)

// What may come at once where the configuration has no word for it: so many seconds' worth of what is new, and so many times the
// subscriptions of a session, for clients that come back subscribe to all of theirs again.
const (
	burstOfAddress = 5
	burstInAll     = 2

	returnsOfSession = 2
	returnsOfUser    = 8
	returnsOfAddress = 40
	returnsOfNode    = 1000
)

// leastConnections may be held by HTTP however few sessions there may be: a browser alone keeps six open.
const leastConnections = 1024

// ownAddresses are those of the machine itself. No limit of an address holds for them: it would tell nobody apart, and stop whoever
// tries or measures something.
var ownAddresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// keysOfLimits are the keys of the configuration that raise limits, by the names of package limit.
var keysOfLimits = map[string]string{
	"session.messages": "limits.session.messages", "session.bytes": "limits.session.bytes", "session.subscribes": "limits.session.messages",
	"user.messages": "limits.user.messages", "user.bytes": "limits.user.bytes", "user.subscribes": "limits.user.messages",
	"address.messages": "limits.address.messages", "address.bytes": "limits.address.bytes", "address.subscribes": "limits.address.messages",
	"node.messages": "limits.node.messages", "node.bytes": "limits.node.bytes", "node.subscribes": "limits.node.messages",
	"sessions.per_user": "limits.sessions_per_user", "sessions.per_address": "limits.connections_per_address",
	"sessions.new_per_address": "limits.new_connections", "sessions.new": "limits.new_connections_in_all",
	"connections.per_address": "limits.connections_per_address", "connections.in_all": "limits.connections",
	"connections.new_per_address": "limits.new_connections", "connections.new": "limits.new_connections_in_all",
}

// newLimiter makes the limits of a node that bears so many sessions, or nil if the configuration has none, so that they cost nothing.
func newLimiter(c *config.Config, sessions int, log *slog.Logger) (*limit.Limiter, error) {
	l := &c.Limits
	if c.Dev {
		l = deliberate(l)
	}
	if none(l) {
		return nil, nil
	}
	return limit.New(limit.Limits{
		Session: ratesOf(l, l.Session, returnsOfSession),
		User:    ratesOf(l, l.User, returnsOfUser),
		Address: ratesOf(l, l.Address, returnsOfAddress),
		Node:    ratesOf(l, l.Node, returnsOfNode),
		Sessions: limit.Sessions{
			PerUser: orOff(l.SessionsPerUser), PerAddress: orOff(l.ConnectionsPerAddress),
			NewPerAddress: rateOf(l.NewConnections, burstOfAddress), New: rateOf(l.NewConnectionsInAll, burstInAll),
		},
		Connections: limit.Connections{
			PerAddress: orOff(l.ConnectionsPerAddress), InAll: max(sessions, leastConnections),
			NewPerAddress: rateOf(l.NewConnections, burstOfAddress), New: rateOf(l.NewConnectionsInAll, burstInAll),
		},
	}, limit.Options{Exempt: exempt(c), Names: keysOfLimits, Knocked: true, Log: log})
}

// deliberate are the limits that differ from the defaults. Whoever tries things, by himself and on his own machine, is not to be held
// up by what is meant for strangers.
func deliberate(l *config.Limits) *config.Limits {
	own, usual := *l, config.Default().Limits
	dropUsual(&own.ConnectionsPerAddress, usual.ConnectionsPerAddress)
	dropUsual(&own.NewConnections, usual.NewConnections)
	dropUsual(&own.NewConnectionsInAll, usual.NewConnectionsInAll)
	dropUsual(&own.SessionsPerUser, usual.SessionsPerUser)
	for _, r := range []struct{ own, usual *config.Rate }{
		{&own.Session, &usual.Session}, {&own.User, &usual.User}, {&own.Address, &usual.Address}, {&own.Node, &usual.Node},
	} {
		dropUsual(&r.own.Messages, r.usual.Messages)
		dropUsual(&r.own.Bytes, r.usual.Bytes)
	}
	return &own
}

// dropUsual makes a limit none that is as by default.
func dropUsual[T int | config.Size](value *T, usual T) {
	if *value == usual {
		*value = 0
	}
}

// none tells whether nothing is limited.
func none(l *config.Limits) bool {
	free := config.Rate{}
	return l.ConnectionsPerAddress == 0 && l.SessionsPerUser == 0 && l.NewConnections == 0 && l.NewConnectionsInAll == 0 &&
		l.Session == free && l.User == free && l.Address == free && l.Node == free
}

// ratesOf are the rates of one scope, whose sessions may subscribe to everything that they were subscribed to so many times at once.
func ratesOf(l *config.Limits, r config.Rate, returns int) limit.Rates {
	subscribes := rateOf(r.Messages, l.Burst.Seconds())
	subscribes.Burst = min(max(subscribes.Burst, returns*l.Subscriptions), longestBurst*r.Messages)
	return limit.Rates{
		Messages:   rateOf(r.Messages, l.Burst.Seconds()),
		Bytes:      rateOf(int(r.Bytes), l.Burst.Seconds()),
		Subscribes: subscribes,
	}
}

// longestBurst is how many seconds' worth package limit takes as a burst.
const longestBurst = 60

// rateOf is so many a second, and so many seconds' worth of them at once; 0 is no bound.
func rateOf(perSecond int, seconds float64) limit.Rate {
	if perSecond == 0 {
		return limit.Rate{PerSecond: limit.Off}
	}
	burst := min(float64(perSecond)*seconds, math.MaxInt32)
	return limit.Rate{PerSecond: float64(perSecond), Burst: max(1, int(burst))}
}

// orOff is a bound, of which 0 is none.
func orOff(bound int) int {
	if bound == 0 {
		return limit.Off
	}
	return bound
}

// exempt are the addresses without limits of an address: our own, and those of proxies that do not say for whom they speak.
func exempt(c *config.Config) []netip.Prefix {
	all := ownAddresses[:len(ownAddresses):len(ownAddresses)]
	for _, proxy := range c.Listen.TrustedProxies {
		if network, err := netip.ParsePrefix(proxy); err == nil {
			all = append(all, network)
		} else if address, err := netip.ParseAddr(proxy); err == nil {
			all = append(all, netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()))
		}
	}
	return all
}
