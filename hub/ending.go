// Endings: why clients have gone or were not let in, as their gateways saw it, for whoever looks after a node.

package hub

// Party is who ended a session.
type Party uint8

// The parties.
const (
	ByServer  Party = iota // this side, for a cause
	ByClient               // the client said goodbye, or gave up its request
	ByNetwork              // neither said a word: the line broke, or went silent
)

// String is the party's name: "server", "client" or "network".
func (p Party) String() string { return [...]string{"server", "client", "network"}[p] }

// Ending is the end of a session that stayed, or that a client was not let in.
type Ending struct {
	Session   *Session // nil for a client that was refused before it had one
	Refused   bool     // it was not let in
	Remote    string   // where the client is, as the log has it
	Transport string   // of a client that was refused, as far as it is known
	By        Party
	Silent    bool   // by the network: no answer came to a ping
	Code      Code   // of the table of refusals; "" if the server had no reason to end it
	Close     int    // the code of the Close frame; 0 where there was none
	Cause     string // in words, for an operator
}

// Told tells Options.Ended of an ending. Gateways call it, once for each.
func (h *Hub) Told(e Ending) {
	if h.options.Ended != nil {
		h.options.Ended(e)
	}
}
