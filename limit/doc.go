// Package limit keeps clients within bounds: how much they send, how often they subscribe, how many of them there are and how fast
// they come; for each session, user and address, and for the node.
//
//	limits, err := limit.New(limit.Limits{}, limit.Options{})
//	if err != nil {
//		return err
//	}
//	h, err := hub.New(hub.Options{Guards: []hub.Guard{limits}, …})
//	listener = limits.Listener(listener, nil)
//
// A program that checks tokens, or asks somebody who a client is, before it opens sessions has [Limiter.Knock] asked before that.
//
// What is over a limit is refused with [hub.RateLimited] and a sentence that names the limit and when to go on; the error wraps an
// [*Exceeded]. A client that goes on regardless is warned, and then its session is ended.
//
// A session's address is that of its [hub.Identity]; IPv6 addresses of the same /64 count as one. Sessions without an address (over
// a Unix socket) have no limits of an address.
//
// Memory is bounded: for a session 100 bytes, 150 more once it has subscribed and 180 more once it has sent something; for an
// address or user that is there, or was within the last minute, 600 bytes, and never more of them than Limits.Remembered. A Limiter has no goroutine. All its methods may be called from any
// goroutine. Admitting a message allocates nothing and takes no lock that sessions of other users and addresses take, but for one in
// some hundred messages at which the node is asked.
package limit
