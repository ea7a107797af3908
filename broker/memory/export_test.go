package memory

// Bytes returns what all channels of b are charged.
func Bytes(b *Broker) int64 { return b.bounds.bytes.Load() }

// Channels returns how many channels b knows.
func Channels(b *Broker) (n int) {
	for i := range b.shards {
		n += len(b.shards[i].all())
	}
	return n
}

// Charged recounts what all channels should be charged, and how many are in a list.
func Charged(b *Broker) (bytes int64, listed int) {
	for i := range b.shards {
		for _, c := range b.shards[i].all() {
			c.mu.Lock()
			kept := int64(0)
			for k := range c.ring.len() {
				kept += costOf(c.ring.at(k))
			}
			for key := range c.keys.answers {
				kept += costOfKey(key)
			}
			if c.class() != nothing {
				bytes += kept + channelCost + int64(len(c.name))
			}
			c.mu.Unlock()
		}
		listed += len(b.shards[i].kept.all(nil))
	}
	return bytes, listed
}

// MaxKeys is how many idempotency keys a channel remembers.
const MaxKeys = maxKeys
