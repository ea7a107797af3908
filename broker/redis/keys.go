// The names of what is kept, and which server and partition a channel belongs to.

package redis

import (
	"fmt"
	"hash/fnv"
	"strconv"
)

// clusterPartitions is how many partitions the channels of a cluster are dealt out over. Each is a slot, and needs a connection of every
// node that is subscribed to one of its channels. It is the same for all nodes, for ever.
const clusterPartitions = 64

// names are those of one partition.
type names struct {
	tag  string // with which all keys of the partition begin
	live string // with which its Pub/Sub channels begin; those are the same in all databases of a server, unlike keys
}

func newNames(prefix string, partition, db int) names {
	tag := fmt.Sprintf("%s:{%d}:", prefix, partition)
	live := tag + "c"
	if db != 0 {
		live += strconv.Itoa(db)
	}
	return names{tag, live + ":"}
}

func (n names) numbering(channel string) string { return n.tag + "n:" + channel }
func (n names) list(channel string) string      { return n.tag + "h:" + channel }
func (n names) members(channel string) string   { return n.tag + "m:" + channel }
func (n names) users(channel string) string     { return n.tag + "u:" + channel }
func (n names) channel(channel string) string   { return n.live + channel }
func (n names) owners() string                  { return n.tag + "o:" }
func (n names) registry() string                { return n.tag + "nodes" }
func (n names) announced() string               { return n.tag + "info" }
func (n names) stored(key string) string        { return n.tag + "s:" + key }

// idempotency tells where the channel ends, for both may hold anything.
func (n names) idempotency(channel, key string) string {
	return n.tag + "i:" + strconv.Itoa(len(channel)) + ":" + channel + ":" + key
}

// Names that no channel has, because it has a control character: for what is told to one node, and to all.
const controlMark = "\x00"

func (n names) node(name string) string { return n.live + controlMark + name }

// partition is where a channel, or a key of the store, belongs.
func (b *Broker) partition(name string) *partition {
	s := b.shards[0]
	if len(b.shards) > 1 {
		s = b.shards[rendezvous(b.seeds, name)]
	}
	if len(s.partitions) == 1 {
		return s.partitions[0]
	}
	return s.partitions[mix(hash(name))%uint64(len(s.partitions))]
}

// rendezvous returns which of some servers, each known by the hash of its name, a channel belongs to. When one is added or taken away, only the
// channels that move to it or from it change.
func rendezvous(seeds []uint64, name string) (best int) {
	h, most := hash(name), uint64(0)
	for i, seed := range seeds {
		if weight := mix(h ^ seed); i == 0 || weight > most {
			best, most = i, weight
		}
	}
	return best
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// mix spreads every bit over all, as the finisher of splitmix64 does.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
