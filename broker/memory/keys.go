// The idempotency keys of a channel, and what was answered to them.

package memory

import (
	"maps"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// maxKeys is how many keys a channel remembers at most.
const maxKeys = 100_000

// keyCost is what a key is charged beside its own length, in bytes: its place in the map and in the queue.
const keyCost = 192

// smallMap is up to how many keys a map is not worth to be made anew.
const smallMap = 64

// keys are the idempotency keys of a channel. The zero value is empty.
type keys struct {
	answers map[string]answer
	queue   ring[string] // the oldest first
	peak    int          // the most that answers has held; a map does not give memory back
}

type answer struct {
	hub.Published
	until time.Time
}

func (k *keys) len() int { return k.queue.len() }

// find returns the answer to an earlier publication with this key, which must be remembered still.
func (k *keys) find(key string, now time.Time) (hub.Published, bool) {
	if key == "" {
		return hub.Published{}, false
	}
	a, ok := k.answers[key]
	if !ok || !now.Before(a.until) {
		return hub.Published{}, false
	}
	a.Duplicate = true
	return a.Published, true
}

// add remembers a key, and returns what that costs.
func (k *keys) add(key string, p hub.Published, until time.Time) (cost int64) {
	if k.answers == nil {
		k.answers = make(map[string]answer)
	}
	if _, known := k.answers[key]; !known { // otherwise it had expired, and keeps its place in the queue
		k.queue.push(key)
		cost = costOfKey(key)
	}
	k.answers[key] = answer{p, until}
	k.peak = max(k.peak, len(k.answers))
	for k.len() > maxKeys {
		cost -= k.forgetOldest()
	}
	return cost
}

// expired tells whether the oldest key is to be forgotten.
func (k *keys) expired(now time.Time) bool {
	return k.len() > 0 && !now.Before(k.answers[k.queue.at(0)].until)
}

// forgetOldest returns what is saved.
func (k *keys) forgetOldest() int64 {
	key := k.queue.pop()
	delete(k.answers, key)
	switch {
	case k.len() == 0:
		k.answers, k.peak = nil, 0
	case k.peak > smallMap && k.len() <= k.peak/4:
		k.shrink()
	}
	return costOfKey(key)
}

func (k *keys) shrink() {
	answers := make(map[string]answer, k.len())
	maps.Copy(answers, k.answers)
	k.answers, k.peak = answers, k.len()
}

func costOfKey(key string) int64 { return int64(len(key)) + keyCost }
