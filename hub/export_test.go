package hub

// Channels returns how many channels h holds.
func Channels(h *Hub) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.channels)
}
