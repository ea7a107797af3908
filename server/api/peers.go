// Many nodes: what is asked of one is answered by all, and the answers are put together.

package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// Peers are the other nodes of a cluster.
type Peers interface {
	// Ask has every other node answer a question, by its [Handler.Answer], and returns the answers. Missing are the names of the nodes
	// from which none came in time, "*" if it is not known which nodes there are.
	Ask(ctx context.Context, question []byte) (answers [][]byte, missing []string)
}

// question is what one node asks another: an operation, after it was checked. Later versions may add fields and operations; a field that
// a node does not know is passed over, an operation is refused.
type question struct {
	Op string `json:"op"`

	Session  string   `json:"session,omitempty"`
	User     string   `json:"user,omitempty"`
	Channels []string `json:"channels,omitempty"`
	Reason   string   `json:"reason,omitempty"`

	Code      int  `json:"code,omitempty"`
	Reconnect bool `json:"reconnect,omitempty"`

	Pattern string   `json:"pattern,omitempty"`
	Bound   []string `json:"bound,omitempty"` // patterns of channels that the key is bound to
	After   string   `json:"after,omitempty"`
	Limit   int      `json:"limit,omitempty"`
}

// The operations that nodes ask each other for.
const (
	askChannels    = "channels"
	askSession     = "session"
	askSessions    = "sessions"
	askSubscribe   = "subscribe"
	askUnsubscribe = "unsubscribe"
	askDisconnect  = "disconnect"
	askNode        = "node"
)

// Answer answers a question of another node's [Peers]. It waits for the broker, and returns an error for what it does not know.
func (a *Handler) Answer(ctx context.Context, text []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, fmt.Errorf("api: the question cannot be read: %w", err)
	}
	var answer any
	switch q.Op {
	case askChannels:
		answer = a.channelsHere(&q)
	case askSession:
		answer = a.sessionHere(&q)
	case askSessions:
		answer = a.sessionsHere(&q)
	case askSubscribe:
		answer = a.subscribeHere(ctx, &q)
	case askUnsubscribe:
		answer = a.unsubscribeHere(&q)
	case askDisconnect:
		answer = a.disconnectHere(&q)
	case askNode:
		answer = a.nodeHere()
	default:
		return nil, fmt.Errorf("api: there is no operation %.60q in this version", q.Op)
	}
	return json.Marshal(answer)
}

// gather answers a question here and on all other nodes. What comes from here is first.
func gather[T any](ctx context.Context, a *Handler, q *question, here func() T) (all []T, missing []string) {
	if a.options.Peers == nil {
		return []T{here()}, nil
	}
	text, err := json.Marshal(q)
	if err != nil { // cannot be: these are texts and numbers
		return []T{here()}, []string{"*"}
	}
	var answers [][]byte
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		answers, missing = a.options.Peers.Ask(ctx, text)
	}()
	all = []T{here()}
	<-asked
	for _, text := range answers {
		var one T
		if err := json.Unmarshal(text, &one); err != nil {
			missing = append(missing, "*")
			continue
		}
		all = append(all, one)
	}
	return all, missing
}

// gatherFor answers what is about a session here if it is here, and otherwise, or where a user is meant, everywhere.
func gatherFor[T any](ctx context.Context, a *Handler, q *question, here func() T) (all []T, missing []string) {
	if q.Session != "" && a.hub.Session(q.Session) != nil {
		return []T{here()}, nil
	}
	return gather(ctx, a, q, here)
}

// notAnywhere is the error for a session that no node has found.
func notAnywhere(id string, missing []string) error {
	if len(missing) > 0 {
		return hub.Errorf(hub.Unavailable, "the session %.60q is on none of the nodes that have answered, and %s have not; ask again", id, strings.Join(missing, ", "))
	}
	return noSession(id)
}

// name is that of this node among others, or "".
func (a *Handler) name() string {
	if a.options.Peers == nil || a.options.Node == nil {
		return ""
	}
	return a.options.Node().Name
}

// channelShare is what one node knows of the channels that are asked for.
type channelShare struct {
	Channels []listed `json:"channels"` // the first by name, as many as were asked for
	// Hashes are of the names of all that match, so that those of several nodes can be counted once; nobody else needs them.
	Hashes []uint64 `json:"hashes"`
	Total  int      `json:"total"` // as many as there are hashes, or more
}

// maxHashes is how many names of one node are told apart from those of others. With more the total is too high by those that several have.
const maxHashes = 500_000

func (a *Handler) channelsHere(q *question) channelShare {
	share := channelShare{Channels: []listed{}}
	bound := &Key{Channels: q.Bound}
	a.hub.Channels(func(name string, subscribers int) bool {
		if q.Pattern != "" && !hub.Matches(q.Pattern, name) || !bound.covers(name) {
			return true
		}
		if share.Total++; share.Total <= maxHashes && a.options.Peers != nil {
			share.Hashes = append(share.Hashes, hashOf(name))
		}
		if name > q.After {
			share.Channels = append(share.Channels, listed{name, subscribers})
		}
		return true
	})
	slices.SortFunc(share.Channels, byChannel)
	share.Channels = share.Channels[:min(len(share.Channels), q.Limit+1)] // one more tells that there is more
	return share
}

func byChannel(x, y listed) int { return strings.Compare(x.Channel, y.Channel) }

func hashOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// joinChannels makes a page of the shares. A channel that belongs on it is in every share that has it, for each has as many as fit.
func joinChannels(shares []channelShare, limit int) (page channelPage) {
	subscribers := make(map[string]int)
	distinct := make(map[uint64]struct{})
	for _, share := range shares {
		for _, one := range share.Channels {
			subscribers[one.Channel] += one.Subscribers
		}
		for _, hash := range share.Hashes {
			distinct[hash] = struct{}{}
		}
		page.Total += share.Total - len(share.Hashes)
	}
	page.Total += len(distinct)
	page.Channels = make([]listed, 0, len(subscribers))
	for name, n := range subscribers {
		page.Channels = append(page.Channels, listed{name, n})
	}
	slices.SortFunc(page.Channels, byChannel)
	if len(page.Channels) > limit {
		page.Channels = page.Channels[:limit]
		page.Next = page.Channels[limit-1].Channel
	}
	return page
}

// joinSessions makes a page of those of several nodes.
func joinSessions(pages []sessionPage, limit int) sessionPage {
	whole := sessionPage{User: pages[0].User, Sessions: []session{}}
	for _, page := range pages {
		whole.Sessions = append(whole.Sessions, page.Sessions...)
		whole.Total += page.Total
	}
	slices.SortFunc(whole.Sessions, func(x, y session) int { return strings.Compare(x.Session, y.Session) })
	if len(whole.Sessions) > limit {
		whole.Sessions = whole.Sessions[:limit]
		whole.Next = whole.Sessions[limit-1].Session
	}
	for _, page := range pages { // a node may have kept some back
		whole.Next = cmp.Or(whole.Next, page.Next)
	}
	return whole
}

// join adds up what several nodes have done.
func join(all []touched, missing []string) touched {
	sum := touched{Incomplete: missing}
	for _, one := range all {
		sum.Sessions += one.Sessions
		sum.Changed += one.Changed
		sum.Errors = append(sum.Errors, one.Errors...)
	}
	sum.Errors = sum.Errors[:min(len(sum.Errors), maxErrors)]
	return sum
}
