// What a program does with its sessions.

package engineio

// Handler is what a program does with its sessions. For one session its functions are called in order, one at a time: Open, then
// Message for each message and Drained for each notice that was asked for, then Close. They must not wait, as others are served by the
// same event loop; see [Conn.Go]. One that panics is logged, with its stack, and its session ended; [net/http.ErrAbortHandler] ends
// the session without a word in the log. Any of them may be nil.
type Handler struct {
	// Open is called before anything else. The open packet has been queued.
	Open func(c *Conn)
	// Message is called for each message. The payload is lent: it is good only until Message returns.
	Message func(c *Conn, binary bool, payload []byte)
	// Drained is called once after [Conn.NotifyDrained]: the client has read up.
	Drained func(c *Conn)
	// Close is called once, when the session has ended. err says more than the reason, and is nil if there is no more to say.
	Close func(c *Conn, reason Reason, err error)
}

func (h *Handler) fill() {
	if h.Open == nil {
		h.Open = func(*Conn) {}
	}
	if h.Message == nil {
		h.Message = func(*Conn, bool, []byte) {}
	}
	if h.Drained == nil {
		h.Drained = func(*Conn) {}
	}
	if h.Close == nil {
		h.Close = func(*Conn, Reason, error) {}
	}
}
