// What can be crossed, by name, and the sentences that say so.

package limit

import (
	"fmt"
	"iter"
	"time"

	"golang.org/x/time/rate"

	"github.com/ringdown/ringdown/hub"
)

// kind is what a rate counts.
type kind int

const (
	messages kind = iota
	bytes
	subscribes
	kinds = 3
)

// scope is whose rates they are.
type scope int

const (
	ofSession scope = iota
	ofUser
	ofAddress
	ofNode
	scopes = 4
)

func name(s scope, k kind) int { return int(s)*kinds + int(k) }

// The names that are no rates of messages; as indexes in names.
const (
	sessionsPerUser = scopes*kinds + iota
	sessionsPerAddress
	sessionsNewPerAddress
	sessionsNew
	connectionsPerAddress
	connectionsInAll
	connectionsNewPerAddress
	connectionsNew
)

var names = [...]string{
	"session.messages", "session.bytes", "session.subscribes",
	"user.messages", "user.bytes", "user.subscribes",
	"address.messages", "address.bytes", "address.subscribes",
	"node.messages", "node.bytes", "node.subscribes",
	"sessions.per_user", "sessions.per_address", "sessions.new_per_address", "sessions.new",
	"connections.per_address", "connections.in_all", "connections.new_per_address", "connections.new",
}

// each is the rates by kind.
func (r Rates) each() [kinds]Rate { return [kinds]Rate{r.Messages, r.Bytes, r.Subscribes} }

// rates are all rates with their names.
func (l *Limits) rates() iter.Seq2[string, Rate] {
	return func(yield func(string, Rate) bool) {
		for s, rates := range [scopes]Rates{l.Session, l.User, l.Address, l.Node} {
			for k, r := range rates.each() {
				if !yield(names[name(scope(s), kind(k))], r) {
					return
				}
			}
		}
		_ = yield(names[sessionsNewPerAddress], l.Sessions.NewPerAddress) && yield(names[sessionsNew], l.Sessions.New) &&
			yield(names[connectionsNewPerAddress], l.Connections.NewPerAddress) && yield(names[connectionsNew], l.Connections.New)
	}
}

// Exceeded is why something was refused.
type Exceeded struct {
	Limit      string        // its name, as "session.messages"
	Sentence   string        // for the client
	RetryAfter time.Duration // when it may be tried again; 0 if that depends on others
}

func (e *Exceeded) Error() string { return e.Sentence }

// Wait is RetryAfter, for those who tell it on without knowing this package.
func (e *Exceeded) Wait() time.Duration { return e.RetryAfter }

// refuse counts a refusal, and makes the error for it.
func (l *Limiter) refuse(index int, wait time.Duration, sentence string) error {
	l.refused[index].Add(1)
	return hub.Errorf(hub.RateLimited, "%w", &Exceeded{names[index], sentence, wait})
}

var (
	whose = [scopes]string{"this session", "this user", "this address", "this server"}
	what  = [kinds]string{"messages", "bytes", "subscriptions"}
)

// tooFast is the refusal of n too many at a rate.
func (l *Limiter) tooFast(s scope, k kind, b *rate.Limiter, now time.Time, n int) error {
	wait := until(b, now, n)
	return l.refuse(name(s, k), wait, fmt.Sprintf("%s may send %.4g %s a second, and %d at once; go on in %s, or raise the limit %s",
		whose[s], float64(b.Limit()), what[k], b.Burst(), shown(wait), l.called[name(s, k)]))
}

// tooSoon is the refusal of one that comes too soon after others.
func (l *Limiter) tooSoon(index int, b *rate.Limiter, now time.Time, things string) error {
	wait := until(b, now, 1)
	return l.refuse(index, wait, fmt.Sprintf("%.4g %s may come in a second, and %d at once; come back in %s, or raise the limit %s",
		float64(b.Limit()), things, b.Burst(), shown(wait), l.called[index]))
}

// tooMany is the refusal of one more than most.
func (l *Limiter) tooMany(index, most int, things string) error {
	return l.refuse(index, 0, fmt.Sprintf("%d %s are open already, as many as may be; close some, or raise the limit %s", most, things, l.called[index]))
}

// until is when b will have n tokens.
func until(b *rate.Limiter, now time.Time, n int) time.Duration {
	missing := float64(min(n, b.Burst())) - b.TokensAt(now)
	return max(0, time.Duration(missing/float64(b.Limit())*float64(time.Second)))
}

// shown is a time to wait as people read it, never shorter than it is.
func shown(wait time.Duration) time.Duration {
	if wait < time.Second {
		return wait.Truncate(10*time.Millisecond) + 10*time.Millisecond
	}
	return wait.Truncate(100*time.Millisecond) + 100*time.Millisecond
}
