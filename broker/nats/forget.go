// Forgetting idempotency keys whose window is over: the stream itself would keep each for a day. The node that noted a key deletes it; those of
// nodes that have ended are left to the stream.

package nats

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

const (
	// keyMargin is how long after its window a key is deleted, by our clock; another node's may be behind.
	keyMargin = time.Minute
	// forgetEvery is how often it is looked for keys that are over.
	forgetEvery = time.Second
	// maxNoted is how many keys a node remembers to delete. What is more is left to the stream.
	maxNoted = 1 << 20
)

// noted are the keys that this node has noted.
type noted struct {
	margin time.Duration

	mu   sync.Mutex // guards what follows
	keys notedKeys
}

// notedKeys is a heap of keys, the first to be over on top.
type notedKeys []notedKey

type notedKey struct {
	due time.Time
	seq uint64 // of its record: if that is another one's by now, there is nothing under this number
}

func (k notedKeys) Len() int           { return len(k) }
func (k notedKeys) Less(i, j int) bool { return k[i].due.Before(k[j].due) }
func (k notedKeys) Swap(i, j int)      { k[i], k[j] = k[j], k[i] }
func (k *notedKeys) Push(key any)      { *k = append(*k, key.(notedKey)) }
func (k *notedKeys) Pop() any {
	last := (*k)[len(*k)-1]
	*k = (*k)[:len(*k)-1]
	return last
}

func (n *noted) add(seq uint64, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.keys) < maxNoted {
		heap.Push(&n.keys, notedKey{until.Add(n.margin), seq})
	}
}

// over takes at most so many keys that are over.
func (n *noted) over(now time.Time, most int) (all []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(all) < most && len(n.keys) > 0 && n.keys[0].due.Before(now) {
		all = append(all, heap.Pop(&n.keys).(notedKey).seq)
	}
	return all
}

// forgetKeys runs until the broker is closed.
func (b *Broker) forgetKeys() {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-b.ctx.Done():
			return
		}
		for b.conn.IsConnected() && b.ctx.Err() == nil {
			over := b.noted.over(time.Now(), maxLooks)
			if len(over) == 0 {
				break
			}
			b.deleteAll(b.ctx, over)
		}
	}
}

// deleteAll deletes records of the state at the same time. What cannot be deleted is left to the stream.
func (b *Broker) deleteAll(ctx context.Context, all []uint64) {
	state := b.streams.Load().state
	var deleting sync.WaitGroup
	for _, seq := range all {
		deleting.Go(func() { b.delete(ctx, state, seq) })
	}
	deleting.Wait()
}
