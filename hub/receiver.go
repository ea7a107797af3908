// What the hub asks of a gateway: somebody to hand publications to.

package hub

// Receiver is the hub's way to a client. Its gateway provides it, and gives it to [Hub.Open].
//
// Receive and Notify must not wait, and must not call the hub: they are called under the lock of a channel, which makes the
// order in which its subscribers hear of things. Calls for one channel come one at a time; those for different channels may
// come at the same time. A session whose Receive or Notify panics is ended with [Internal], and the panic logged.
type Receiver interface {
	// Receive takes a publication over and tells what became of it.
	Receive(p *Publication) Reception

	// Notify tells of something else that has happened to the session or in a channel of it. Notices are lent for the call.
	Notify(n *Notice)

	// End tells that the session has ended, and why: [ErrShutdown], or what was given to [Session.End]. It is called at
	// most once, without a lock, and no Receive comes after it. Its gateway says goodbye and closes the session. A session
	// that its gateway closes first is not told.
	End(cause error)
}

// Reception is what became of a publication at one receiver.
type Reception uint8

// What may become of a publication.
const (
	// Refused: not taken, because the client has gone or is about to go. What waits for it is not handed over any more.
	Refused Reception = iota
	// Taken: it is written, or soon will be.
	Taken
	// Late: taken, but much waits already. The receiver calls [Session.Ready] once most of it has been written. Until then it
	// is handed only what must not be dropped. Publishers that can wait a moment, should.
	Late
	// Overdue: as Late, but for so long that nobody should wait for it any more.
	Overdue
)

// Notice is something that a session is told beside publications.
type Notice struct {
	Type    NoticeType
	Channel string

	// Of Subscribed.
	Position  Position // where the channel is for this client: what comes next is after it
	Asked     bool     // recovery was asked for
	Recovered bool     // and what was missed follows, all of it; what history loses before it is handed over is told as a Gap
	Forced    bool     // by the server
	Rule      *Rule    // what holds in the channel; not to be changed
	Tag       any      // SubscribeOptions.Tag

	// Of Gap: the offsets of what was lost, both included. From is 0 if it is not known.
	From, To uint64

	// Of Unsubscribed.
	Reason string

	// Of Present.
	Presence *PresenceEvent
	Crowded  bool // only the counts are told, because the channel is too large for more: who it was does not matter
}

// NoticeType is what a notice tells.
type NoticeType uint8

// What may be told.
const (
	// Subscribed: the first thing that a session hears of a channel.
	Subscribed NoticeType = iota
	// Unsubscribed: by the server.
	Unsubscribed
	// Gap: publications were lost, here between what came before this notice and what comes after.
	Gap
	// Present: somebody has come or gone.
	Present
)

// Receipt tells a publisher what became of its publication. Over a broker beyond a network, which delivers later, Lagging and Late
// are those of an earlier publication.
type Receipt struct {
	Published
	Subscribers int // sessions of this node that are subscribed
	Lagging     int // those of them that read more slowly than is published
	Late        int // those of the lagging that a publisher should give a moment to catch up
}
