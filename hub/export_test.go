package hub

// ChannelCount returns how many channels h holds.
func ChannelCount(h *Hub) (n int) {
	for i := range h.shards {
		n += len(h.shards[i].all())
	}
	return n
}

// SinkOf is what h gives to its broker.
func SinkOf(h *Hub) Sink { return sink{h} }

// Lingering returns how many leaves of h are remembered.
func Lingering(h *Hub) int {
	h.leaves.mu.Lock()
	defer h.leaves.mu.Unlock()
	return h.leaves.queue.Len() + len(h.leaves.of)
}

// References returns how many hold a channel of h.
func References(h *Hub, name string) int {
	sh := h.shard(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if ch := sh.channels[name]; ch != nil {
		return ch.refs
	}
	return 0
}
