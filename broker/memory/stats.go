// What a broker holds, for metrics.

package memory

// Stats is what a broker holds now, and what it has done since it was made.
type Stats struct {
	Channels int    // that it knows: with subscribers of this node, or something kept
	Bytes    int64  // charged for what is kept; see Options.MaxBytes
	MaxBytes int64  // the bound of that
	Evicted  uint64 // publications that were forgotten before their time because of the bound
}

// Stats returns the counters. It walks over nothing.
func (b *Broker) Stats() Stats {
	n := Stats{Bytes: b.bounds.bytes.Load(), MaxBytes: b.bounds.max, Evicted: b.bounds.evicted.Load()}
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.RLock()
		n.Channels += len(sh.channels)
		sh.mu.RUnlock()
	}
	return n
}
