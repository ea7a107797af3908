// What the hub asks of a gateway: somebody to hand publications to.

package hub

// Receiver is the hub's way to a client. Its gateway provides it, and gives it to [Hub.Open].
type Receiver interface {
	// Receive takes a publication over and tells what became of it. It must not wait, and must not call the hub: it is
	// called under the lock of the publication's channel, which makes the order of publications. Calls for one channel
	// come one at a time; those for different channels may come at the same time.
	Receive(p *Publication) Reception

	// End tells that the session has ended, and why: [ErrShutdown], or what was given to [Session.End]. It is called at
	// most once, without a lock, and no Receive comes after it. Its gateway says goodbye and closes the session. A session
	// that its gateway closes first is not told.
	End(cause error)
}

// Reception is what became of a publication at one receiver.
type Reception uint8

// What may become of a publication.
const (
	Refused Reception = iota // not taken: the client has gone, or is about to go
	Taken                    // it will be written, or is
	Late                     // taken, but much waits already: whoever publishes should let the receiver catch up
)

// Receipt tells a publisher what became of its publication.
type Receipt struct {
	Taken int // receivers that took it, the late ones included
	Late  int // receivers that ask for patience
}
