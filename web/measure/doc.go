// Package measure says what each way of listening costs a node: /compare/ in dev mode. Simulated clients, which are a process of their own so that
// the node's CPU time is the node's, listen to one feed in one way for a few seconds: short polls, long polls, Server-Sent Events, or
// WebSocket. They count what they send and get, byte by byte at their sockets; the node looks at its own CPU time before and after.
package measure

// The ways of listening, and how it is when nobody does.
const (
	Nobody    = "nobody"
	ShortPoll = "short-poll"
	LongPoll  = "long-poll"
	SSE       = "sse"
	WebSocket = "websocket"
)

// Counts are what simulated clients have done and got since they began.
type Counts struct {
	Messages int64 `json:"messages"`
	Requests int64 `json:"requests"`
	BytesIn  int64 `json:"bytes_in"`  // to clients
	BytesOut int64 `json:"bytes_out"` // from clients
}

func (c Counts) minus(d Counts) Counts {
	return Counts{c.Messages - d.Messages, c.Requests - d.Requests, c.BytesIn - d.BytesIn, c.BytesOut - d.BytesOut}
}
