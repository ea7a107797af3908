package nats

// StopHeart has a node give no sign of life any more, as if it were dead.
func StopHeart(b *Broker) { b.stopped.Store(true) }
