// What a broker between nodes offers beside carrying publications: who the other nodes are, a word to them, and a small store.

package hub

import (
	"context"
	"time"
)

// Cluster is implemented by a [Broker] that connects nodes. All methods may be called from any goroutine once the broker is started,
// and wait for a network, except Node and Announce. Errors are an [*Error] with [Unavailable] when the broker cannot do it now.
//
// What is promised here is tested by broker/brokertest, like what Broker promises.
type Cluster interface {
	// Node is this node's name: unique among the living, the same from before Start until the end, at most MaxNodeName bytes of
	// letters, digits, "-" and "_".
	Node() string

	// Tell sends a message to one node, or to all others if node is "". It arrives at most once, at a [ClusterSink]; that it was
	// sent without an error does not mean that there is a node of that name. Messages of one node to another arrive in the order in
	// which they were told one after the other. At most MaxMessage bytes.
	Tell(ctx context.Context, node string, message []byte) error

	// Nodes is the registry: all nodes that were heard of lately, this one included, sorted by name. A node that ends without
	// saying so stays in it until it has not been heard of for a while, half a minute unless the broker says otherwise.
	Nodes(ctx context.Context) ([]Node, error)

	// Announce sets what the registry says of this node: at most MaxNodeInfo bytes, whose owner it becomes. The others see it soon.
	Announce(info []byte)

	// Keep keeps a value under a key until it is taken or ttl is over. An earlier value of the key is replaced.
	Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Take reads and deletes what is kept under a key, in one step: one of several who take it at the same time gets it. ok is
	// false if nothing is kept.
	Take(ctx context.Context, key string) (value []byte, ok bool, err error)
}

// Node is a line of the registry.
type Node struct {
	Name  string
	Info  []byte    // what it announced; nil if nothing
	Heard time.Time // when it last gave a sign of life, by the clock of the broker
}

// Bounds of what nodes say to each other, in bytes.
const (
	MaxNodeName = 32
	MaxNodeInfo = 4 << 10
	MaxMessage  = 16 << 20
)

// ClusterSink is implemented by the [Sink] of a node that wants to hear the others.
type ClusterSink interface {
	Sink
	// Told hands over a message of another node, or of this one to itself by its own name. Calls for one sender come one at a time,
	// in order. Like the other methods of a sink it must not wait. The message belongs to the sink.
	Told(from string, message []byte)
	// Unheard tells that messages to this node may have been lost, or that others may not have known of it: the connection over which they come
	// was made anew, or the broker has forgotten which nodes there are. This node hears again by then.
	Unheard()
}
