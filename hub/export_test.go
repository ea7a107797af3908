package hub

// ChannelCount returns how many channels h holds.
func ChannelCount(h *Hub) (n int) {
	for i := range h.shards {
		n += len(h.shards[i].all())
	}
	return n
}
