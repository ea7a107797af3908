// What the hub asks of a broker: to carry publications between nodes, and to keep history and presence.

package hub

import (
	"context"
	"time"
)

// Broker carries publications to every node that is subscribed to their channel, this one included, numbers them, and keeps
// what is to be kept. Package broker/memory is the one for a single node. What is promised here is tested by
// broker/brokertest, which every broker passes.
//
// All methods may be called from any goroutine. Errors are an [*Error] with [Unavailable] when the broker cannot do it now.
type Broker interface {
	// Start is called once, before anything else: from now on what happens is told to sink.
	Start(sink Sink) error

	// Publish numbers p: it sets Epoch, Offset and Time, keeps p as s says, and has it delivered to every subscribed node.
	// A publication with the idempotency key of one that was published in the same channel within s.Window is not
	// published again; the answer is then the earlier one's, with Duplicate set, and p is not changed.
	Publish(ctx context.Context, p *Publication, s Storing) (Published, error)

	// Earlier is what Publish would answer if a publication with this idempotency key were a duplicate now, and the zero Published if it
	// were none.
	Earlier(ctx context.Context, channel, key string) (Published, error)

	// Subscribe has the channel's publications delivered to this node from now on. The position is where the channel is:
	// everything after it will be delivered. r is what is kept of the channel, so that a numbering outlives its
	// subscribers by at least r.Age when r keeps anything.
	Subscribe(ctx context.Context, channel string, r Retention) (Position, error)

	// Unsubscribe is the opposite of Subscribe. It does not wait for a network: what is to be told there is told later, before
	// what a later Subscribe tells. Once that has returned, nothing is delivered that belongs before its position.
	Unsubscribe(channel string)

	// History reads what is kept. It does not fail for a channel that nobody has ever used: that is at offset 0 of an epoch.
	History(ctx context.Context, channel string, q Query) (History, error)

	// Join and Leave keep who is in a channel, by [Member.Session]. The sink of every subscribed node is told when the first
	// session of a user (or a session without user) joins and when the last one leaves. Both may be repeated. A session that has joined
	// on another node since stays when this one lets it leave.
	Join(ctx context.Context, channel string, m Member) error
	Leave(ctx context.Context, channel string, m Member) error

	// Presence tells who is in a channel: at most limit members, sorted by user, then session; and always the counts.
	Presence(ctx context.Context, channel string, limit int) (Presence, error)

	// Remote tells whether the methods above may wait for a network. They must then not be called on an event loop.
	Remote() bool

	// Close ends everything, and tells the sink nothing more once it has returned.
	Close() error
}

// Sink is where a broker delivers to: the hub. Its methods wait for no client and do not call the broker, so a broker may call
// them under locks of its own.
type Sink interface {
	// Deliver hands over a publication. Calls for one channel come one at a time and in the order of offsets.
	Deliver(p *Publication)
	// Present tells that a user has come or gone.
	Present(e PresenceEvent)
	// Interrupted tells that deliveries of a channel may have been lost, or of every channel if it is "": the hub compares
	// positions and heals from history.
	Interrupted(channel string)
}

// Retention is how much of a channel is kept.
type Retention struct {
	Count int           // publications; 0 keeps none
	Age   time.Duration // how long one is kept; 0 is for ever, within the broker's own bounds
}

// Storing is how a publication is to be kept.
type Storing struct {
	Retention
	IdempotencyKey string        // "" for none
	Window         time.Duration // how long the key is remembered
}

// Published is where a publication went.
type Published struct {
	Position
	Time      time.Time
	Duplicate bool // it had been published before
}

// Query asks for the publications after an offset, oldest first; or, with Newest, for the newest ones, which come oldest
// first all the same.
type Query struct {
	After  uint64
	Newest bool
	Limit  int // at most so many publications; must be positive
	Retention
}

// History is a part of what is kept of a channel.
type History struct {
	Top          Position // where the channel is
	Publications []*Publication
	// Lost is how many publications directly after Query.After are no longer kept. If After is beyond Top, it belongs to
	// another numbering; compare epochs.
	Lost uint64
}

// Member is a session in a channel.
type Member struct {
	Session string
	User    string // "" if not known
	Info    []byte // what the backend or the client's token says of it: a JSON value, or nil
}

// Presence is who is in a channel.
type Presence struct {
	Sessions int
	Users    int // distinct users; each session without one counts as one
	Members  []Member
}

// PresenceEvent tells that somebody has come to a channel, or gone.
type PresenceEvent struct {
	Channel         string
	Joined          bool // otherwise left
	Member          Member
	Sessions, Users int // counts after it
}
