// Answers that are used again: of a client that comes again and again for a moment, so that not each of its requests costs a question.

package backend

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"
)

// reuseBytes is how much of answers is kept for use again: of each of two generations, by the length of the answers on the wire.
const reuseBytes = 8 << 20

// reuseOverhead is what a kept answer is charged beside its length: what a small one takes.
const reuseOverhead = 512

// question is what the service was told of a client, but for session, time and id, as a hash. Who is told apart by the service is told
// apart here.
type question [sha256.Size]byte

// reuse keeps what connect was answered, for a moment. Its zero value keeps nothing. Entries go by generations: those of the younger
// become the older after a lifetime, or when there are too many, and the older ones are forgotten.
type reuse struct {
	lifetime time.Duration // of an answer

	mu         sync.Mutex
	young, old map[question]reusable
	bytes      int       // of the young
	began      time.Time // of the young
	epoch      uint64    // how often everything was forgotten
}

// reusable is an answer that was given.
type reusable struct {
	decision ConnectDecision // not to be changed
	until    time.Time
	at       time.Time
}

// questionOf tells which question a request asks; ok is false if its answer must not serve another. That is so for all that show the
// service nothing to know them by, neither a user nor a cookie nor an Authorization header: it may give each of them another name.
func (u *reuse) questionOf(r *Request) (q question, ok bool) {
	if u.lifetime <= 0 || r.User == "" && len(r.Cookies) == 0 && r.Headers["Authorization"] == "" {
		return q, false
	}
	same := *r
	same.Session, same.ID, same.Time = "", "", time.Time{}
	text, err := json.Marshal(same) // which sorts the keys of maps
	return sha256.Sum256(text), err == nil
}

// find returns an answer that holds still, with what is left of the life that it gave. epoch is to be handed to keep.
func (u *reuse) find(q question) (d ConnectDecision, epoch uint64, ok bool) {
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	one, ok := u.young[q]
	if !ok {
		one, ok = u.old[q]
	}
	if !ok || !now.Before(one.until) {
		return d, u.epoch, false
	}
	d = one.decision
	if d.Lifetime > 0 {
		d.Lifetime -= now.Sub(one.at)
	}
	return d, u.epoch, true
}

// keep takes an answer of so many bytes, which was asked for at a time and in an epoch. If everything was forgotten since, it is
// forgotten, too.
func (u *reuse) keep(q question, d ConnectDecision, bytes int, at time.Time, epoch uint64) {
	until := at.Add(u.lifetime)
	if ends := at.Add(d.Lifetime); d.Lifetime > 0 && ends.Before(until) {
		until = ends
	}
	bytes += reuseOverhead
	u.mu.Lock()
	defer u.mu.Unlock()
	if epoch != u.epoch || bytes > reuseBytes {
		return
	}
	if now := time.Now(); u.young == nil || now.Sub(u.began) > u.lifetime || u.bytes+bytes > reuseBytes {
		u.old, u.young, u.bytes, u.began = u.young, make(map[question]reusable), 0, now
	}
	u.young[q] = reusable{d, until, at}
	u.bytes += bytes
}

// forget forgets all answers, and those that are on their way.
func (u *reuse) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.young, u.old, u.bytes = nil, nil, 0
	u.epoch++
}
